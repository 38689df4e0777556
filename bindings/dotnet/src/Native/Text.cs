using System;
using System.Text;

namespace SimpleIpc.Native
{
    /// <summary>Strings as C has them, and back.</summary>
    internal static class Text
    {
        private static readonly UTF8Encoding Strict = new UTF8Encoding(false, throwOnInvalidBytes: true);

        /// <summary>UTF-8 with a zero at the end.</summary>
        /// <param name="text">What is to be passed to C.</param>
        /// <param name="what">What it is, for the error.</param>
        /// <param name="mistake">The kind of the error where C cannot hold the text.</param>
        internal static byte[] ToNative(string text, string what, IpcStatus mistake)
        {
            if (text is null)
            {
                throw new ArgumentNullException(what);
            }
            if (text.IndexOf('\0') >= 0)
            {
                throw new IpcException(mistake, $"the {what} has a zero character in it; take it out");
            }
            try
            {
                byte[] bytes = new byte[Strict.GetByteCount(text) + 1];
                Strict.GetBytes(text, 0, text.Length, bytes, 0);
                return bytes;
            }
            catch (EncoderFallbackException)
            {
                throw new IpcException(mistake, $"the {what} has half of a surrogate pair in it; take it out");
            }
        }

        /// <summary>A text of ours as C has them, which ends at the first zero.</summary>
        internal static byte[] Zeroed(string text) => Encoding.UTF8.GetBytes(text.Replace('\0', ' ') + "\0");

        /// <summary>The same of a JSON text, which has no zero in it; null stays null.</summary>
        internal static byte[]? Zeroed(byte[]? json)
        {
            if (json != null)
            {
                Array.Resize(ref json, json.Length + 1);
            }
            return json;
        }

        /// <summary>A text that C owns; null for NULL. Paths that are no UTF-8 get replacement characters.</summary>
        internal static unsafe string? FromNative(byte* text)
        {
            if (text == null)
            {
                return null;
            }
            int length = 0;
            while (text[length] != 0)
            {
                length++;
            }
            return Encoding.UTF8.GetString(text, length);
        }
    }
}
