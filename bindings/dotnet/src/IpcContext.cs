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
        private readonly System.Text.Json.JsonSerializerOptions? json;
        private CancellationTokenSource? cancellation;

        // The caller's items, once somebody has asked for them or the answer is a sequence. Written under `gate`, as `hasEnded`.
        private readonly object gate = new object();
        private ItemStream? items;

        // Whether the handler is done, after which nobody asks the responder for items.
        private bool hasEnded;

        /// <param name="responder">Where the answer goes.</param>
        /// <param name="pointer">The same, while nobody else has it yet.</param>
        /// <param name="json">How JSON is read.</param>
        internal IpcContext(Responder responder, IntPtr pointer, System.Text.Json.JsonSerializerOptions? json)
        {
            this.responder = responder;
            this.json = json;
            IsStream = NativeMethods.sipc_responder_is_stream(pointer) != 0;
            Peer = new IpcPeer(
                NativeMethods.sipc_responder_peer_uid(pointer),
                NativeMethods.sipc_responder_peer_gid(pointer),
                NativeMethods.sipc_responder_peer_pid(pointer));
            long left = NativeMethods.sipc_responder_time_left_ms(pointer);
            deadline = left == NativeMethods.NoTimeout ? (DateTime?)null : DateTime.UtcNow + TimeSpan.FromMilliseconds(left);
        }

        /// <summary>
        /// Whether the caller opened a stream, and so may send <see cref="Items"/>. A handler that returns one value answers it all the
        /// same: with one item.
        /// </summary>
        public bool IsStream { get; }

        /// <summary>
        /// The items that the caller sends, of a plain request none. A second call gives the same ones, from where the first has
        /// got to. When the handler is done, they are at their end.
        /// </summary>
        /// <typeparam name="T">What the caller sends: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        public IpcItems<T> Items<T>()
        {
            lock (gate)
            {
                if (items is null && IsStream && !hasEnded && responder.Items(json) is NativeStream native)
                {
                    items = new ItemStream(native, default);
                }
                return new IpcItems<T>(items);
            }
        }

        /// <summary>The answer is a sequence, with which the caller's items come where nobody has asked for them yet.</summary>
        internal void Begin(ItemStream answer)
        {
            lock (gate)
            {
                items ??= answer;
            }
        }

        /// <summary>The handler is done: lets go of the caller's items.</summary>
        internal void End()
        {
            lock (gate)
            {
                hasEnded = true;
                items?.Dispose();
            }
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
