using System.Text.Encodings.Web;
using System.Text.Json;

namespace SimpleIpc.Values
{
    /// <summary>The options of System.Text.Json that stand where a program gives none of its own.</summary>
    internal static class JsonDefaults
    {
        /// <summary>As deep as other languages of this library go; System.Text.Json's own limit is 64.</summary>
        private const int Depth = 500;

        /// <summary>To make JSON of values.</summary>
        internal static readonly JsonSerializerOptions Writing = Create(reads: false);

        /// <summary>To make values of JSON: refuses also the types that would be left as they are made.</summary>
        internal static readonly JsonSerializerOptions Reading = Create(reads: true);

        internal static JsonSerializerOptions Create(bool reads)
        {
            var options = new JsonSerializerOptions
            {
                // A body is never part of a web page, so that only what JSON itself asks for is escaped.
                Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
                // The names that other languages write and expect.
                PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
                PropertyNameCaseInsensitive = true,
                MaxDepth = Depth,
            };
            options.Converters.Add(new RefusedKinds(reads));
            options.Converters.Add(new EnumNames());
            options.Converters.Add(new DurationText());
            options.Converters.Add(new WholeNumber());
            options.Converters.Add(new RuntimeType());
            options.Converters.Add(new FiniteDouble());
            options.Converters.Add(new FiniteSingle());
            return options;
        }
    }
}
