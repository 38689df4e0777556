using System;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Native
{
    /// <summary>What a listener publishes on its way through C, in the order in which it was given.</summary>
    internal sealed class Publications
    {
        /// <summary>What <c>max_session_waiting</c> is by default.</summary>
        private const long MostWaiting = 4 << 20;

        /// <summary>What an event takes on its way beside its body, so that empty ones have a limit, too.</summary>
        private const int Head = 16;

        private readonly ListenerHandle listener;
        private readonly JsonSerializerOptions? json;

        // Whether a call may have to wait for a subscriber at all.
        private readonly bool isPatient;
        private readonly long mostWaiting;

        private readonly Turns turns = new Turns();

        // Bytes of the asynchronous calls that are not done, by all threads. Interlocked: nothing else is read after it.
        private long waiting;

        internal Publications(ListenerHandle listener, IpcOptions? options)
        {
            this.listener = listener;
            json = options?.Json;
            isPatient = options?.Patience is TimeSpan patience && patience != TimeSpan.Zero;
            mostWaiting = options?.MaxSessionWaiting ?? MostWaiting;
        }

        internal int Publish<T>(T data, string? topic) => PublishHere(Body.From(data, json), Topic(topic));

        internal async Task<int> PublishAsync<T>(T data, string? topic, CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            Outgoing outgoing = Body.From(data, json);
            byte[]? name = Topic(topic);
            if (!isPatient)
            {
                return PublishHere(outgoing, name);
            }
            long size = outgoing.Data.Length + Head;
            long all = Interlocked.Add(ref waiting, size);
            try
            {
                if (all > mostWaiting && all != size)
                {
                    throw new IpcException(
                        IpcStatus.OutOfResources,
                        $"cannot publish {outgoing.Data.Length} bytes: {all - size} bytes of calls that nobody awaits wait for subscribers, and {mostWaiting} may; await each call, or raise MaxSessionWaiting in the options");
                }
                // In its turn it waits for subscribers no longer than the listener's patience, and is not given up meanwhile: the
                // bytes stay the caller's, and what was cancelled is certainly not published.
                return await turns.RunAsync(() => PublishHere(outgoing, name), token).ConfigureAwait(false);
            }
            finally
            {
                Interlocked.Add(ref waiting, -size);
            }
        }

        private static byte[]? Topic(string? topic) =>
            topic is null ? null : Text.ToNative(topic, nameof(topic), IpcStatus.InvalidArgument);

        private unsafe int PublishHere(in Outgoing outgoing, byte[]? topic)
        {
            using Borrowed borrowed = listener.Borrow();
            fixed (byte* name = topic, data = outgoing.Data.Span)
            {
                int status = NativeMethods.sipc_publish(
                    borrowed.Pointer, name, outgoing.Native(data), out UIntPtr queued, out IntPtr error);
                Failure.Check(status, error);
                return (int)queued;
            }
        }
    }
}
