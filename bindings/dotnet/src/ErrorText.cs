using System;
using System.Reflection;
using System.Text;

namespace SimpleIpc
{
    /// <summary>An exception in one line. Nothing that an exception's own code does can make it fail.</summary>
    internal static class ErrorText
    {
        /// <summary>The message; the name of the type where there is none.</summary>
        internal static string Of(Exception exception)
        {
            string? message;
            try
            {
                message = exception.Message;
            }
            catch (Exception)
            {
                message = null;
            }
            string line = OneLine(message);
            return line.Length > 0 ? line : exception.GetType().Name;
        }

        /// <summary>As <c>KeyNotFoundException: no such key</c>.</summary>
        internal static string Named(Exception exception)
        {
            string name = exception.GetType().Name, text = Of(exception);
            return text == name ? name : $"{name}: {text}";
        }

        /// <summary>What a handler threw, without what only carried it here.</summary>
        internal static Exception Unwrapped(Exception exception)
        {
            while (true)
            {
                switch (exception)
                {
                    case TargetInvocationException carrier when carrier.InnerException != null:
                        exception = carrier.InnerException;
                        break;
                    case AggregateException group when group.InnerExceptions.Count == 1:
                        exception = group.InnerExceptions[0];
                        break;
                    default:
                        return exception;
                }
            }
        }

        /// <summary>Control characters become spaces, and half of a surrogate pair the replacement character.</summary>
        internal static string OneLine(string? text)
        {
            if (string.IsNullOrEmpty(text))
            {
                return "";
            }
            var line = new StringBuilder(text!.Length);
            for (int at = 0; at < text.Length; at++)
            {
                char character = text[at];
                if (char.IsHighSurrogate(character) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]))
                {
                    line.Append(character).Append(text[++at]);
                }
                else if (char.IsSurrogate(character))
                {
                    line.Append('\ufffd');
                }
                else if (char.IsControl(character) || character == '\u2028' || character == '\u2029')
                {
                    // The two halves of a Windows line end are one.
                    if (!(character == '\n' && at > 0 && text[at - 1] == '\r'))
                    {
                        line.Append(' ');
                    }
                }
                else
                {
                    line.Append(character);
                }
            }
            return line.ToString().Trim();
        }
    }
}
