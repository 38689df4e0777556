using System;
using System.Threading;
using SimpleIpc.Native;

namespace SimpleIpc
{
    /// <summary>Who is at the other end of a connection, as the kernel told when it was made. Null where it is not known (TCP).</summary>
    public readonly struct IpcPeer
    {
        internal IpcPeer(long uid, long gid, long pid)
        {
            UserId = uid < 0 ? (uint?)null : (uint)uid;
            GroupId = gid < 0 ? (uint?)null : (uint)gid;
            ProcessId = pid < 0 ? (int?)null : (int)pid;
        }

        /// <summary>The user id.</summary>
        public uint? UserId { get; }

        /// <summary>The group id.</summary>
        public uint? GroupId { get; }

        /// <summary>The process id. That process may have ended, and its number may be another's now.</summary>
        public int? ProcessId { get; }
    }

    /// <summary>What a handler can ask about the message that it handles. Any thread may, also after the handler has returned.</summary>
    public sealed class IpcContext
    {
        private readonly Responder responder;
        private readonly DateTime? deadline;
        private CancellationTokenSource? cancellation;

        /// <param name="responder">Where the answer goes.</param>
        /// <param name="pointer">The same, while nobody else has it yet.</param>
        internal IpcContext(Responder responder, IntPtr pointer)
        {
            this.responder = responder;
            Peer = new IpcPeer(
                NativeMethods.sipc_responder_peer_uid(pointer),
                NativeMethods.sipc_responder_peer_gid(pointer),
                NativeMethods.sipc_responder_peer_pid(pointer));
            long left = NativeMethods.sipc_responder_time_left_ms(pointer);
            deadline = left == NativeMethods.NoTimeout ? (DateTime?)null : DateTime.UtcNow + TimeSpan.FromMilliseconds(left);
        }

        /// <summary>Who sent the message.</summary>
        public IpcPeer Peer { get; }

        /// <summary>How much longer the caller waits, zero when its time is over; null if it does not say.</summary>
        public TimeSpan? TimeLeft
        {
            get
            {
                if (!(deadline is DateTime end))
                {
                    return null;
                }
                TimeSpan left = end - DateTime.UtcNow;
                return left > TimeSpan.Zero ? left : TimeSpan.Zero;
            }
        }

        /// <summary>
        /// Cancelled when the caller of a request no longer waits: it has given up, also because its time is over, or it is
        /// gone. Not cancelled any more once the handler has answered.
        /// </summary>
        public CancellationToken CancellationToken
        {
            get
            {
                CancellationTokenSource? source = Volatile.Read(ref cancellation);
                if (source is null)
                {
                    source = new CancellationTokenSource();
                    CancellationTokenSource? other = Interlocked.CompareExchange(ref cancellation, source, null);
                    if (other is null)
                    {
                        responder.CancelWhenUnwanted(source);
                    }
                    else
                    {
                        source = other;
                    }
                }
                return source.Token;
            }
        }
    }
}
