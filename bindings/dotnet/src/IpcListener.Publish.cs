using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc
{
    public sealed partial class IpcListener
    {
        /// <summary>
        /// Publishes an event to every subscriber that wants its topic. It returns when the event is on its way to all of them;
        /// it waits only for subscribers with <see cref="IpcOverflow.Block"/> that do not keep up, and at most
        /// <see cref="IpcOptions.Patience"/>. All subscribers get the events of a listener in one order: that of these calls. Where
        /// nobody listens, nothing is kept, but for <see cref="IpcOptions.Retain"/>. Inside a handler it may be called, too.
        /// </summary>
        /// <typeparam name="T">What is published: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <param name="data">
        /// The event. Bytes must not change before the call has returned. With <see cref="IpcOptions.Retain"/>, no bytes at all
        /// make the listener forget the last event of the topic.
        /// </param>
        /// <param name="topic">At most 255 bytes of UTF-8, which subscribers name exactly; null and empty are the same topic.</param>
        /// <returns>For how many subscribers it was queued.</returns>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.WrongMode"/> (the listener was made without <see cref="IpcOptions.Publish"/>),
        /// <see cref="IpcStatus.TooLarge"/>, <see cref="IpcStatus.InvalidArgument"/> (the topic), <see cref="IpcStatus.InvalidJson"/>,
        /// <see cref="IpcStatus.OutOfResources"/> (what is retained is more than <see cref="IpcOptions.MaxWaiting"/>),
        /// <see cref="IpcStatus.Closed"/>: then it was published to nobody.
        /// </exception>
        public int Publish<T>(T data, string? topic = null) => publications.Publish(data, topic);

        /// <summary>
        /// As <see cref="Publish"/>, without holding a thread of the caller's where it has to wait. Calls keep their order, also
        /// where they are not awaited one after another; of calls that are not, at most
        /// <see cref="IpcOptions.MaxSessionWaiting"/> bytes wait, and then one fails with <see cref="IpcStatus.OutOfResources"/>.
        /// </summary>
        /// <typeparam name="T">What is published: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <param name="data">The event. Bytes must not change before the task has ended.</param>
        /// <param name="topic">At most 255 bytes of UTF-8; null and empty are the same topic.</param>
        /// <param name="cancellationToken">
        /// Gives up a call whose turn has not come, with an <see cref="System.OperationCanceledException"/>: it was published to nobody.
        /// </param>
        /// <returns>For how many subscribers it was queued.</returns>
        /// <exception cref="IpcException">As for <see cref="Publish"/>.</exception>
        public Task<int> PublishAsync<T>(T data, string? topic = null, CancellationToken cancellationToken = default) =>
            publications.PublishAsync(data, topic, cancellationToken);
    }
}
