using System;
using System.Collections;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Native;
using SimpleIpc.Values;

namespace SimpleIpc
{
    /// <summary>
    /// A stream to a listener: the items of its handler's answer, and those that are sent to it. <see cref="Ipc.PostUdsStream"/>,
    /// <see cref="Ipc.PostUdsStreamAsync"/>, <see cref="IpcClient.Stream"/> and their like open it. A thread takes its items with
    /// <c>foreach</c> and <see cref="Next()"/>, a task with <c>await foreach</c> and <see cref="NextAsync"/>, which hold no thread
    /// and capture no synchronization context. Leaving the loop cancels the stream, and so does disposing of it: its handler is
    /// told at once. It holds at most 256 KiB and one item that nobody has taken; then the handler waits. Any thread may use it,
    /// and one may send while another takes; several that take share the items.
    /// </summary>
    /// <typeparam name="T">What the handler sends: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
    public sealed class IpcStream<T> : IAsyncEnumerable<T>, IEnumerable<T>, IAsyncDisposable, IDisposable
    {
        private readonly ItemStream stream;

        internal IpcStream(ItemStream stream) => this.stream = stream;

        /// <summary>
        /// Waits for the next item, as long as <see cref="IpcOptions.IdleTimeout"/>. Null is the end: the handler has ended, or the
        /// stream was closed here. Where the handler answers with one value, that is the one item.
        /// </summary>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.HandlerFailed"/>, <see cref="IpcStatus.ConnectionLost"/>, <see cref="IpcStatus.TooLarge"/>,
        /// <see cref="IpcStatus.TimedOut"/>, <see cref="IpcStatus.Closing"/> and others, after all items that were sent before; of a
        /// stream that was begun without waiting also why it was not accepted, such as <see cref="IpcStatus.WrongMode"/>. The stream
        /// is over, and every later call says the same. <see cref="IpcStatus.InvalidBody"/>: one item is not a
        /// <typeparamref name="T"/>; the next call goes on behind it.
        /// </exception>
        public IpcItem<T>? Next() => Next(Timeout.InfiniteTimeSpan);

        /// <summary>As <see cref="Next()"/>, for a while.</summary>
        /// <param name="timeout">Zero: what is there now. <see cref="Timeout.InfiniteTimeSpan"/> for no limit. Whole milliseconds, rounded up.</param>
        /// <param name="cancellationToken">Gives up waiting, from another thread, with an <see cref="OperationCanceledException"/>; no item is lost, and the stream goes on.</param>
        /// <exception cref="IpcException">
        /// As for <see cref="Next()"/>, and <see cref="IpcStatus.TimedOut"/>: there was none in this time; the stream goes on.
        /// </exception>
        public IpcItem<T>? Next(TimeSpan timeout, CancellationToken cancellationToken = default) =>
            stream.Next(timeout, cancellationToken, out T item) ? new IpcItem<T>(item) : (IpcItem<T>?)null;

        /// <summary>Gives the next item; null is the end, as for <see cref="Next()"/>.</summary>
        /// <param name="cancellationToken">Gives up waiting with an <see cref="OperationCanceledException"/>; no item is lost, and the stream goes on.</param>
        /// <exception cref="IpcException">As for <see cref="Next()"/>.</exception>
        public async ValueTask<IpcItem<T>?> NextAsync(CancellationToken cancellationToken = default)
        {
            (bool isThere, T item) = await stream.NextAsync<T>(cancellationToken).ConfigureAwait(false);
            return isThere ? new IpcItem<T>(item) : (IpcItem<T>?)null;
        }

        /// <summary>Sends an item to the handler, and waits until there is room for it.</summary>
        /// <typeparam name="TItem">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <param name="item">The item. Bytes must not change before the call has returned.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.Closed"/>: the handler has ended, which its items and its end still tell, or nothing may be sent any
        /// more after <see cref="End"/> or <see cref="Close"/>. <see cref="IpcStatus.TooLarge"/>,
        /// <see cref="IpcStatus.InvalidJson"/>: this item was not sent, and the stream goes on. Others as for <see cref="Next()"/>.
        /// </exception>
        public void Send<TItem>(TItem item) => Send(item, Timeout.InfiniteTimeSpan);

        /// <summary>As <see cref="Send{TItem}(TItem)"/>, for a while.</summary>
        /// <typeparam name="TItem">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <param name="item">The item. Bytes must not change before the call has returned.</param>
        /// <param name="timeout">Zero: where there is room now. <see cref="Timeout.InfiniteTimeSpan"/> for no limit. Whole milliseconds, rounded up.</param>
        /// <param name="cancellationToken">Gives up waiting, from another thread, with an <see cref="OperationCanceledException"/>; the item was not sent, and the stream goes on.</param>
        /// <exception cref="IpcException">
        /// As for <see cref="Send{TItem}(TItem)"/>, and <see cref="IpcStatus.TimedOut"/>: there was no room in this time; the item was
        /// not sent, and the stream goes on.
        /// </exception>
        public void Send<TItem>(TItem item, TimeSpan timeout, CancellationToken cancellationToken = default) =>
            stream.Send(item, JsonPlace.Data, timeout, cancellationToken);

        /// <summary>
        /// Sends an item to the handler when there is room for it. Await it before the next one: of those that nobody awaits, which
        /// keep their order, at most 4 MiB wait. There is no order between these calls and those of <see cref="Send{TItem}(TItem)"/>.
        /// </summary>
        /// <typeparam name="TItem">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <param name="item">The item. Bytes must not change before the call has returned its task.</param>
        /// <param name="cancellationToken">Gives up waiting with an <see cref="OperationCanceledException"/>; the item was not sent, and the stream goes on.</param>
        /// <exception cref="IpcException">
        /// As for <see cref="Send{TItem}(TItem)"/>, and <see cref="IpcStatus.OutOfResources"/>: 4 MiB wait; this item was not sent, and
        /// the stream goes on.
        /// </exception>
        public ValueTask SendAsync<TItem>(TItem item, CancellationToken cancellationToken = default) =>
            stream.SendAsync(item, JsonPlace.Data, cancellationToken);

        /// <summary>
        /// Says that no more items come from here; the handler's are still to be taken. Never waits. What <see cref="SendAsync"/>
        /// still waits with is not sent. A second time, and after the end, it does nothing.
        /// </summary>
        public void End() => stream.End();

        /// <summary>The items until the end. Leaving the loop cancels the stream.</summary>
        /// <exception cref="IpcException">As for <see cref="Next()"/>, out of the loop.</exception>
        public IEnumerator<T> GetEnumerator() => new Enumerator(this, default);

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        /// <summary>The items until the end. Leaving the loop cancels the stream.</summary>
        /// <param name="cancellationToken">Ends the loop with an <see cref="OperationCanceledException"/>: <c>WithCancellation</c> gives it.</param>
        /// <exception cref="IpcException">As for <see cref="Next()"/>, out of the loop.</exception>
        public IAsyncEnumerator<T> GetAsyncEnumerator(CancellationToken cancellationToken = default) =>
            new Enumerator(this, cancellationToken);

        /// <summary>
        /// Cancels it from any thread at any time; its handler is told at once. What waits for an item gets the end. Never waits or
        /// throws. Does nothing to a stream that has ended.
        /// </summary>
        public void Close() => stream.Close();

        /// <summary>As <see cref="Close"/>.</summary>
        public void Dispose() => stream.Dispose();

        /// <summary>As <see cref="Close"/>, which does not wait.</summary>
        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }

        private sealed class Enumerator : IEnumerator<T>, IAsyncEnumerator<T>
        {
            private readonly IpcStream<T> owner;
            private readonly CancellationToken token;
            private T current = default!;

            internal Enumerator(IpcStream<T> owner, CancellationToken token)
            {
                this.owner = owner;
                this.token = token;
            }

            public T Current => current;

            object? IEnumerator.Current => current;

            public bool MoveNext() => owner.stream.Next(Timeout.InfiniteTimeSpan, token, out current);

            public async ValueTask<bool> MoveNextAsync()
            {
                bool isThere;
                (isThere, current) = await owner.stream.NextAsync<T>(token).ConfigureAwait(false);
                return isThere;
            }

            public void Reset() => throw new NotSupportedException("what was sent does not come again");

            public void Dispose() => owner.Dispose();

            public ValueTask DisposeAsync() => owner.DisposeAsync();
        }
    }
}
