using System.Text.Json;
using SimpleIpc.Native;

namespace SimpleIpc
{
    /// <summary>What a subscription's publisher does where it does not take its events as fast as they come.</summary>
    public enum IpcOverflow
    {
        /// <summary>Ends the subscription with <see cref="IpcStatus.TooSlow"/> after what was sent. The default: nothing is lost without an error.</summary>
        Fail = 0,

        /// <summary>Drops the oldest events that wait; the next one tells how many, in <see cref="IpcEvent{T}.Missed"/>.</summary>
        DropOldest = 1,

        /// <summary>
        /// Waits, as long as the publisher's <see cref="IpcOptions.Patience"/>; then as <see cref="Fail"/>. A publisher without
        /// patience refuses it with <see cref="IpcStatus.WrongMode"/>.
        /// </summary>
        Block = 2,
    }

    /// <summary>One event of a subscription. It does not change, and any thread may read it.</summary>
    /// <typeparam name="T">What was published: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
    public sealed class IpcEvent<T>
    {
        /// <summary>How one is read.</summary>
        internal static readonly Reading<IpcEvent<T>> Reading = (message, json) => new IpcEvent<T>(message, json);

        private readonly T data;
        private readonly IpcException? unfit;

        /// <param name="message">An event that stays alive during the call.</param>
        /// <param name="json">How JSON is read.</param>
        internal unsafe IpcEvent(System.IntPtr message, JsonSerializerOptions? json)
        {
            Topic = Text.FromNative(NativeMethods.sipc_message_topic(message)) ?? "";
            Missed = NativeMethods.sipc_message_missed(message);
            Retained = NativeMethods.sipc_message_retained(message) != 0;
            try
            {
                data = Body.To<T>(message, json);
            }
            catch (IpcException mistake)
            {
                // Told by Data: the loop can go on, and what was missed is not lost with it.
                data = default!;
                unfit = mistake;
            }
        }

        /// <summary>What was published.</summary>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InvalidBody"/>: it is not a <typeparamref name="T"/>. The subscription goes on.
        /// </exception>
        public T Data => unfit is null ? data : throw unfit;

        /// <summary>The topic that it was published to; empty where it has none.</summary>
        public string Topic { get; }

        /// <summary>
        /// How many events that this subscription was to get were lost right before this one: 0 for none, -1 for an unknown
        /// number, because the publisher was replaced by another.
        /// </summary>
        public long Missed { get; }

        /// <summary>
        /// Whether it was published before the subscription began, and is the last one of its topic: see
        /// <see cref="IpcOptions.Retain"/>.
        /// </summary>
        public bool Retained { get; }
    }
}
