using System;

namespace SimpleIpc
{
    /// <summary>
    /// Thrown in a handler to fail on purpose: the caller gets <see cref="IpcStatus.HandlerFailed"/> with this message, and
    /// with a code and data that its program can act on. Of any other exception it gets <c>TypeName: message</c>.
    /// </summary>
    public class HandlerException : Exception
    {
        /// <summary>Makes the failure.</summary>
        /// <param name="message">One line for people; control characters become spaces.</param>
        /// <param name="code">One word for programs, such as <c>out_of_stock</c>.</param>
        /// <param name="data">
        /// What becomes JSON, in the way of the listener's options. It is left out where it does not fit the caller's largest
        /// message.
        /// </param>
        /// <param name="innerException">What was behind it; it stays here.</param>
        public HandlerException(string message, string? code = null, object? data = null, Exception? innerException = null)
            : base(message, innerException)
        {
            HandlerCode = code;
            HandlerData = data;
        }

        /// <summary>The caller's <see cref="IpcException.HandlerCode"/>.</summary>
        public string? HandlerCode { get; }

        /// <summary>The caller's <see cref="IpcException.HandlerData"/>, as JSON.</summary>
        public object? HandlerData { get; }
    }
}
