namespace SimpleIpc
{
    /// <summary>
    /// Why a call failed: the same kinds, numbers and names in every language. The number divided by 100 is the category:
    /// 1 the caller's mistake, 2 the channel, 3 the peer or the message, 4 the wire, 5 this machine. Numbers never change;
    /// a newer C library may give one that has no name here, which is to be treated by its category.
    /// </summary>
    public enum IpcStatus
    {
        /// <summary>An argument or option does not make sense; the message says which.</summary>
        InvalidArgument = 101,

        /// <summary>A channel name is not 1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</summary>
        InvalidName = 102,

        /// <summary>A port is outside 1 to 65535 (0 is allowed to listen only).</summary>
        InvalidPort = 103,

        /// <summary>The socket's whole path does not fit a Unix socket address.</summary>
        PathTooLong = 104,

        /// <summary>The body that was given to be sent is not JSON, or cannot become JSON.</summary>
        InvalidJson = 105,

        /// <summary>The listener or client was closed before this call.</summary>
        Closed = 106,

        /// <summary>The listener or client was made before a <c>fork</c> and is used in the child.</summary>
        Forked = 107,

        /// <summary>Nobody listens on the channel.</summary>
        NotListening = 201,

        /// <summary>Another process (or listener) already listens on the channel.</summary>
        InUse = 202,

        /// <summary>The operating system does not permit the access.</summary>
        PermissionDenied = 203,

        /// <summary>Something that is not our socket or lock file stands at the path; it was left alone.</summary>
        PathOccupied = 204,

        /// <summary>The directory of the socket does not exist.</summary>
        NoDirectory = 205,

        /// <summary>The process at the other end belongs to a user that is not trusted here.</summary>
        PeerNotAllowed = 206,

        /// <summary>
        /// A request was sent to a broadcast listener, or a broadcast to a request listener; or one does not publish that is
        /// published on or subscribed to.
        /// </summary>
        WrongMode = 207,

        /// <summary>The listener takes no more connections or messages just now.</summary>
        TooManyConnections = 208,

        /// <summary>No answer within the timeout; the message may have been handled.</summary>
        TimedOut = 301,

        /// <summary>The caller cancelled the call.</summary>
        Cancelled = 302,

        /// <summary>The connection broke before the answer came.</summary>
        ConnectionLost = 303,

        /// <summary>The handler failed; its text is in the message.</summary>
        HandlerFailed = 304,

        /// <summary>The message is larger than one of the two sides takes.</summary>
        TooLarge = 305,

        /// <summary>The listener closed the connection without an answer (Deno wire).</summary>
        NoReply = 306,

        /// <summary>The listener is closing and did not take the message.</summary>
        Closing = 307,

        /// <summary>A subscriber did not take its events as fast as they came; which came before this was delivered.</summary>
        TooSlow = 308,

        /// <summary>The peer broke the protocol.</summary>
        Protocol = 401,

        /// <summary>The peer speaks another version of the protocol.</summary>
        UnsupportedVersion = 402,

        /// <summary>A body that arrived is not JSON where JSON is due, or not the type asked for.</summary>
        InvalidBody = 403,

        /// <summary>The operating system reported an error that fits no other kind.</summary>
        Os = 501,

        /// <summary>Out of file descriptors, memory, disk or threads.</summary>
        OutOfResources = 502,

        /// <summary>A defect of this library; please report it.</summary>
        Internal = 503,
    }
}
