using System;
using System.Text.Json;

namespace SimpleIpc
{
    /// <summary>A call of Simple IPC failed. The message says in one line what was attempted, what stood in the way and what to do.</summary>
    public sealed class IpcException : Exception
    {
        /// <summary>Makes an exception, for tests of code that handles it.</summary>
        /// <param name="status">Why the call failed.</param>
        /// <param name="message">One line.</param>
        /// <param name="innerException">What was behind it, if it was an exception.</param>
        public IpcException(IpcStatus status, string message, Exception? innerException = null)
            : this(status, message, false, 0, innerException)
        {
        }

        internal IpcException(
            IpcStatus status, string message, bool mayHaveBeenHandled, int osCode, Exception? innerException,
            string? handlerCode = null, JsonElement? handlerData = null)
            : base(message, innerException)
        {
            HandlerCode = handlerCode;
            HandlerData = handlerData;
            Status = status;
            MayHaveBeenHandled = mayHaveBeenHandled;
            OsCode = osCode;
        }

        /// <summary>Why the call failed.</summary>
        public IpcStatus Status { get; }

        /// <summary>
        /// Whether the message can have been handled in spite of the error. False means that it certainly was not: sending
        /// it again cannot do the work twice.
        /// </summary>
        public bool MayHaveBeenHandled { get; }

        /// <summary>The operating system's error number (<c>errno</c>) behind the error, or 0 where there is none.</summary>
        public int OsCode { get; }

        /// <summary>The code that the handler failed with on purpose, such as <c>out_of_stock</c>; null where it gave none.</summary>
        public string? HandlerCode { get; }

        /// <summary>
        /// The data that the handler failed with on purpose; null where it gave none, or where it did not fit the caller's
        /// largest message.
        /// </summary>
        public JsonElement? HandlerData { get; }
    }
}
