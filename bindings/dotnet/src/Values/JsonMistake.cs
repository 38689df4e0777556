using System;
using System.Text.Json;

namespace SimpleIpc.Values
{
    /// <summary>Why a value does not become JSON, or JSON not a value: its place, as <c>data.items[3].image</c>, and the reason.</summary>
    internal sealed class JsonMistake : Exception
    {
        /// <summary>What System.Text.Json puts behind its own texts.</summary>
        private static readonly string[] Tails = { " Path: $", " The unsupported member type is located on" };

        private JsonMistake(string message, Exception? cause) : base(message, cause)
        {
        }

        internal static JsonMistake WhileWriting(Exception exception, ReadOnlySpan<byte> begun, string what) =>
            new JsonMistake($"{JsonPlace.AtTheEndOf(begun, what)}: {Reason(exception)}", exception);

        /// <param name="begun">The JSON text before it.</param>
        /// <param name="what">What the value is called.</param>
        internal static JsonMistake HalfOfAPair(ReadOnlySpan<byte> begun, string what) =>
            new JsonMistake($"{JsonPlace.AtTheEndOf(begun, what)}: half of a surrogate pair, which UTF-8 cannot have; take it out", null);

        internal static JsonMistake WhileReading(Exception exception) =>
            new JsonMistake($"{JsonPlace.OfPath((exception as JsonException)?.Path)}: {Reason(exception)}", exception);

        private static string Reason(Exception exception)
        {
            // What a getter or a converter of the program's own throws is its business: with its name.
            bool ofJson = exception is JsonException || exception is NotSupportedException || exception is ArgumentException;
            string text = ofJson ? ErrorText.Of(exception) : ErrorText.Named(exception);
            foreach (string tail in Tails)
            {
                int at = text.IndexOf(tail, StringComparison.Ordinal);
                text = at > 0 ? text.Substring(0, at) : text;
            }
            return text.TrimEnd('.', ' ');
        }
    }
}
