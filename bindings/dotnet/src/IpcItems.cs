using System;
using System.Collections;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Native;

namespace SimpleIpc
{
    /// <summary>
    /// The items that a caller sends to a handler, from <see cref="IpcContext.Items"/>; none where it has sent a plain request.
    /// For <c>foreach</c> in a handler that blocks, and for <c>await foreach</c> in one that returns a task or an asynchronous
    /// sequence, which holds no thread. Leaving the loop leaves the other items where they are. At most 256 KiB and one item
    /// wait here; then the caller waits. Any thread may use it; several that take items share them.
    /// </summary>
    /// <typeparam name="T">What the caller sends: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
    public sealed class IpcItems<T> : IAsyncEnumerable<T>, IEnumerable<T>
    {
        // Null where there are none.
        private readonly ItemStream? stream;

        internal IpcItems(ItemStream? stream) => this.stream = stream;

        /// <summary>Waits for the next item. Null is the end: the caller sends no more, or the handler has answered.</summary>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.Cancelled"/>, <see cref="IpcStatus.ConnectionLost"/>: the caller has left.
        /// <see cref="IpcStatus.InvalidBody"/>: one item is not a <typeparamref name="T"/>; the next call goes on behind it.
        /// </exception>
        public IpcItem<T>? Next() => Next(Timeout.InfiniteTimeSpan);

        /// <summary>As <see cref="Next()"/>, for a while.</summary>
        /// <param name="timeout">Zero: what is there now. <see cref="Timeout.InfiniteTimeSpan"/> for no limit. Whole milliseconds, rounded up.</param>
        /// <param name="cancellationToken">Gives up waiting, from another thread, with an <see cref="OperationCanceledException"/>; no item is lost.</param>
        /// <exception cref="IpcException">
        /// As for <see cref="Next()"/>, and <see cref="IpcStatus.TimedOut"/>: there was none in this time; the stream goes on.
        /// </exception>
        public IpcItem<T>? Next(TimeSpan timeout, CancellationToken cancellationToken = default) =>
            Take(timeout, cancellationToken, out T item) ? new IpcItem<T>(item) : (IpcItem<T>?)null;

        /// <summary>Gives the next item. Null is the end: the caller sends no more, or the handler has answered.</summary>
        /// <param name="cancellationToken">Gives up waiting with an <see cref="OperationCanceledException"/>; no item is lost.</param>
        /// <exception cref="IpcException">As for <see cref="Next()"/>.</exception>
        public async ValueTask<IpcItem<T>?> NextAsync(CancellationToken cancellationToken = default)
        {
            (bool isThere, T item) = await TakeAsync(cancellationToken).ConfigureAwait(false);
            return isThere ? new IpcItem<T>(item) : (IpcItem<T>?)null;
        }

        /// <summary>The items until the end. For a handler that blocks.</summary>
        /// <exception cref="IpcException">As for <see cref="Next()"/>, out of the loop.</exception>
        public IEnumerator<T> GetEnumerator()
        {
            while (Take(Timeout.InfiniteTimeSpan, default, out T item))
            {
                yield return item;
            }
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        /// <summary>The items until the end.</summary>
        /// <param name="cancellationToken">Ends the loop with an <see cref="OperationCanceledException"/>: <c>WithCancellation</c> gives it.</param>
        /// <exception cref="IpcException">As for <see cref="Next()"/>, out of the loop.</exception>
        public IAsyncEnumerator<T> GetAsyncEnumerator(CancellationToken cancellationToken = default) =>
            new Enumerator(this, cancellationToken);

        private bool Take(TimeSpan timeout, CancellationToken token, out T item)
        {
            item = default!;
            return stream != null && stream.Next(timeout, token, out item);
        }

        private ValueTask<(bool IsThere, T Item)> TakeAsync(CancellationToken token) =>
            stream?.NextAsync<T>(token) ?? default;

        private sealed class Enumerator : IAsyncEnumerator<T>
        {
            private readonly IpcItems<T> items;
            private readonly CancellationToken token;
            private T current = default!;

            internal Enumerator(IpcItems<T> items, CancellationToken token)
            {
                this.items = items;
                this.token = token;
            }

            public T Current => current;

            public async ValueTask<bool> MoveNextAsync()
            {
                bool isThere;
                (isThere, current) = await items.TakeAsync(token).ConfigureAwait(false);
                return isThere;
            }

            public ValueTask DisposeAsync() => default;
        }
    }
}
