using System;

namespace SimpleIpc
{
    /// <summary>A failure of a listener's handler, for <see cref="IpcOptions.HandlerFailed"/>.</summary>
    public sealed class IpcHandlerFailure
    {
        internal IpcHandlerFailure(string channel, string handler, Exception exception, bool callerTold)
        {
            Channel = channel;
            Handler = handler;
            Exception = exception;
            CallerTold = callerTold;
        }

        /// <summary>The listener's channel: its name, <c>:port</c>, or its path.</summary>
        public string Channel { get; }

        /// <summary>The method that handles its messages, such as <c>Shop.Stock.OnOrder</c>; for a lambda as the compiler calls it.</summary>
        public string Handler { get; }

        /// <summary>
        /// What the handler threw. An <see cref="IpcException"/> of the library where its reply cannot be sent
        /// (<see cref="IpcStatus.InvalidJson"/>, <see cref="IpcStatus.TooLarge"/>), where a broadcast is not what the handler
        /// takes (<see cref="IpcStatus.InvalidBody"/>), or where the listener first has as many messages in flight as it may
        /// (<see cref="IpcStatus.TooManyConnections"/>).
        /// </summary>
        public Exception Exception { get; }

        /// <summary>
        /// Whether the caller hears of it. False for broadcasts, and for requests whose caller has gone, no longer waits, or
        /// speaks a wire that carries no text.
        /// </summary>
        public bool CallerTold { get; }

        /// <summary>It in one line.</summary>
        public override string ToString() =>
            $"the handler {Handler} of channel \"{Channel}\" failed: {ErrorText.Named(Exception)}";
    }
}
