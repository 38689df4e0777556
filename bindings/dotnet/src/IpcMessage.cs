using System;
using System.Text;
using SimpleIpc.Native;

namespace SimpleIpc
{
    /// <summary>
    /// A body as it is on the wire: one JSON text, bytes, or both. As the type of a body it is passed on without conversion:
    /// for programs that relay messages, have a JSON library of their own, or do not know beforehand what will come.
    /// </summary>
    public sealed class IpcMessage
    {
        private static readonly UTF8Encoding Strict = new UTF8Encoding(false, throwOnInvalidBytes: true);

        private readonly ReadOnlyMemory<byte> beside;

        private IpcMessage(bool isJson, ReadOnlyMemory<byte> data)
        {
            IsJson = isJson;
            Data = data;
        }

        private IpcMessage(ReadOnlyMemory<byte> json, ReadOnlyMemory<byte> data)
        {
            IsAttached = true;
            beside = json;
            Data = data;
        }

        /// <summary>Whether the body is a JSON text alone; else it is bytes, or <see cref="IsAttached">both</see>.</summary>
        public bool IsJson { get; }

        /// <summary>Whether the body is a JSON text with bytes beside it.</summary>
        public bool IsAttached { get; }

        /// <summary>The JSON text in UTF-8, or the bytes where there are some.</summary>
        public ReadOnlyMemory<byte> Data { get; }

        /// <summary>The JSON text in UTF-8. Fails with <see cref="InvalidOperationException"/> for bytes alone.</summary>
        public ReadOnlyMemory<byte> Json =>
            IsJson ? Data : IsAttached ? beside : throw new InvalidOperationException("the message is bytes; use Data");

        /// <summary>The JSON text. Fails with <see cref="InvalidOperationException"/> for bytes alone.</summary>
        public string Text => Encoding.UTF8.GetString(Json.Span);

        /// <summary>A body that is one JSON text, such as <c>{"n":1}</c>. It is checked when it is sent.</summary>
        /// <param name="text">The JSON text.</param>
        /// <exception cref="IpcException"><see cref="IpcStatus.InvalidJson"/> where it has half of a surrogate pair.</exception>
        public static IpcMessage FromJson(string text)
        {
            if (text is null)
            {
                throw new ArgumentNullException(nameof(text));
            }
            try
            {
                return new IpcMessage(true, Strict.GetBytes(text));
            }
            catch (EncoderFallbackException mistake)
            {
                throw new IpcException(
                    IpcStatus.InvalidJson,
                    "cannot make a message of the JSON text: it has half of a surrogate pair in it, which UTF-8 cannot have; write it as an escape, or take it out",
                    mistake);
            }
        }

        /// <summary>A body that is one JSON text in UTF-8. It is checked when it is sent, and not copied before.</summary>
        /// <param name="utf8">The JSON text.</param>
        public static IpcMessage FromJson(ReadOnlyMemory<byte> utf8) => new IpcMessage(true, utf8);

        /// <summary>A body that is bytes. They are not copied before they are sent.</summary>
        /// <param name="data">The bytes.</param>
        public static IpcMessage FromBytes(ReadOnlyMemory<byte> data) => new IpcMessage(false, data);

        /// <summary>A body that is one JSON text in UTF-8 with bytes beside it. It is checked when it is sent, and not copied before.</summary>
        /// <param name="utf8">The JSON text.</param>
        /// <param name="data">The bytes.</param>
        public static IpcMessage FromAttached(ReadOnlyMemory<byte> utf8, ReadOnlyMemory<byte> data) => new IpcMessage(utf8, data);

        internal static IpcMessage Received(int kind, ReadOnlySpan<byte> json, ReadOnlySpan<byte> data) =>
            kind == NativeMethods.KindAttached
                ? new IpcMessage(json.ToArray(), data.ToArray())
                : new IpcMessage(kind == NativeMethods.KindJson, data.ToArray());
    }
}
