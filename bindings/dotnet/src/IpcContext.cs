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

        internal IpcContext(Responder responder)
        {
            this.responder = responder;
            Peer = responder.Ask(
                pointer => new IpcPeer(
                    NativeMethods.sipc_responder_peer_uid(pointer),
                    NativeMethods.sipc_responder_peer_gid(pointer),
                    NativeMethods.sipc_responder_peer_pid(pointer)),
                default);
            long left = responder.Ask(NativeMethods.sipc_responder_time_left_ms, NativeMethods.NoTimeout);
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
        /// gone. It is looked for every 20 ms from the first use of this property until the handler has answered.
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
                        Watch.Add(this);
                    }
                    else
                    {
                        source = other;
                    }
                }
                return source.Token;
            }
        }

        /// <summary>Looks once whether the caller still waits; false when there is nothing to look for any more.</summary>
        internal bool StillWatched()
        {
            if (!responder.Ask(pointer => true, false))
            {
                return false;
            }
            if (!responder.Ask(pointer => NativeMethods.sipc_responder_is_cancelled(pointer) != 0, false))
            {
                return true;
            }
            // What is registered with the token may take long, or throw: on another thread, and to nobody.
            ThreadPool.UnsafeQueueUserWorkItem(
                source =>
                {
                    try
                    {
                        ((CancellationTokenSource)source!).Cancel();
                    }
                    catch (AggregateException)
                    {
                        // The handler's own callbacks failed; the caller that would be told has gone.
                    }
                },
                cancellation);
            return false;
        }
    }
}
