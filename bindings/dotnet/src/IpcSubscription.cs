using System;
using System.Collections;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Native;

namespace SimpleIpc
{
    /// <summary>
    /// The events of a publisher, for a thread that waits for them: <see cref="Ipc.SubscribeUds"/> and
    /// <see cref="Ipc.SubscribeIp"/> begin it. Leaving a <c>foreach</c> over it ends it, and so does disposing of it. No
    /// thread is started for it, and it holds at most 256 KiB and one event that nobody has taken. Where the connection
    /// breaks or the publisher ends, it looks for the publisher again while somebody waits for an event, as
    /// <see cref="IpcOptions.Reconnect"/> says. Any thread may use it; several that take events share them.
    /// </summary>
    /// <typeparam name="T">What is published: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
    public sealed class IpcSubscription<T> : IEnumerable<IpcEvent<T>>, IDisposable
    {
        private readonly NativeStream stream;

        internal IpcSubscription(NativeStream stream) => this.stream = stream;

        /// <summary>Waits for the next event, without limit. Null is the end: it was closed, or its publisher closed and it does not reconnect.</summary>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.TooSlow"/>, <see cref="IpcStatus.TooLarge"/>, <see cref="IpcStatus.ConnectionLost"/>,
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.WrongMode"/> and others: the subscription is over, and
        /// every later call says the same. <see cref="IpcStatus.InvalidBody"/>: one event said that it is JSON and is not; the
        /// next call goes on behind it.
        /// </exception>
        public IpcEvent<T>? Next() => Next(Timeout.InfiniteTimeSpan);

        /// <summary>As <see cref="Next()"/>, for a while.</summary>
        /// <param name="timeout">Zero: what is there now. <see cref="Timeout.InfiniteTimeSpan"/> for no limit. Whole milliseconds, rounded up.</param>
        /// <param name="cancellationToken">Gives up waiting, from another thread, with an <see cref="OperationCanceledException"/>; no event is lost.</param>
        /// <exception cref="IpcException">
        /// As for <see cref="Next()"/>, and <see cref="IpcStatus.TimedOut"/>: there was none in this time; the subscription goes on.
        /// </exception>
        public IpcEvent<T>? Next(TimeSpan timeout, CancellationToken cancellationToken = default) =>
            stream.Next(IpcEvent<T>.Reading, timeout, cancellationToken, out IpcEvent<T> taken) ? taken : null;

        /// <summary>The events until the end. Leaving the loop closes the subscription.</summary>
        /// <exception cref="IpcException">As for <see cref="Next()"/>, out of the loop.</exception>
        public IEnumerator<IpcEvent<T>> GetEnumerator() => new Enumerator(this);

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        /// <summary>Ends it from any thread at any time, also a <see cref="Next()"/> that waits, which gives null. Never waits or throws.</summary>
        public void Close() => stream.Close();

        /// <summary>As <see cref="Close"/>.</summary>
        public void Dispose() => stream.Dispose();

        private sealed class Enumerator : IEnumerator<IpcEvent<T>>
        {
            private readonly IpcSubscription<T> subscription;
            private IpcEvent<T>? current;

            internal Enumerator(IpcSubscription<T> subscription) => this.subscription = subscription;

            public IpcEvent<T> Current => current ?? throw new InvalidOperationException("there is no event before MoveNext and after the end");

            object IEnumerator.Current => Current;

            public bool MoveNext() => (current = subscription.Next()) != null;

            public void Reset() => throw new NotSupportedException("what was published does not come again");

            public void Dispose() => subscription.Dispose();
        }
    }

    /// <summary>
    /// The events of a publisher, for tasks: <see cref="Ipc.SubscribeUdsAsync"/> and <see cref="Ipc.SubscribeIpAsync"/> begin
    /// it. Leaving an <c>await foreach</c> over it ends it, and so does disposing of it. It holds no thread while it waits,
    /// and at most 256 KiB and one event that nobody has taken. Where the connection breaks or the publisher ends, it looks
    /// for the publisher again while somebody waits for an event, as <see cref="IpcOptions.Reconnect"/> says. Any thread may
    /// use it; several that take events share them. It captures no synchronization context.
    /// </summary>
    /// <typeparam name="T">What is published: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
    public sealed class IpcAsyncSubscription<T> : IAsyncEnumerable<IpcEvent<T>>, IAsyncDisposable, IDisposable
    {
        private readonly NativeStream stream;

        internal IpcAsyncSubscription(NativeStream stream) => this.stream = stream;

        /// <summary>Gives the next event. Null is the end: it was closed, or its publisher closed and it does not reconnect.</summary>
        /// <param name="cancellationToken">Gives up waiting with an <see cref="OperationCanceledException"/>; no event is lost, and the subscription goes on.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.TooSlow"/>, <see cref="IpcStatus.TooLarge"/>, <see cref="IpcStatus.ConnectionLost"/>,
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.WrongMode"/> and others: the subscription is over, and
        /// every later call says the same. <see cref="IpcStatus.InvalidBody"/>: one event said that it is JSON and is not; the
        /// next call goes on behind it.
        /// </exception>
        public async ValueTask<IpcEvent<T>?> NextAsync(CancellationToken cancellationToken = default)
        {
            (bool isThere, IpcEvent<T> taken) = await stream.NextAsync(IpcEvent<T>.Reading, cancellationToken).ConfigureAwait(false);
            return isThere ? taken : null;
        }

        /// <summary>The events until the end. Leaving the loop closes the subscription.</summary>
        /// <param name="cancellationToken">Ends the loop with an <see cref="OperationCanceledException"/>: <c>WithCancellation</c> gives it.</param>
        /// <exception cref="IpcException">As for <see cref="NextAsync"/>, out of the loop.</exception>
        public IAsyncEnumerator<IpcEvent<T>> GetAsyncEnumerator(CancellationToken cancellationToken = default) =>
            new Enumerator(this, cancellationToken);

        /// <summary>Ends it from any thread at any time, also a <see cref="NextAsync"/> that waits, which gives null. Never waits or throws.</summary>
        public void Close() => stream.Close();

        /// <summary>As <see cref="Close"/>.</summary>
        public void Dispose() => stream.Dispose();

        /// <summary>As <see cref="Close"/>, which does not wait.</summary>
        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }

        private sealed class Enumerator : IAsyncEnumerator<IpcEvent<T>>
        {
            private readonly IpcAsyncSubscription<T> subscription;
            private readonly CancellationToken token;
            private IpcEvent<T>? current;

            internal Enumerator(IpcAsyncSubscription<T> subscription, CancellationToken token)
            {
                this.subscription = subscription;
                this.token = token;
            }

            public IpcEvent<T> Current => current ?? throw new InvalidOperationException("there is no event before MoveNextAsync and after the end");

            public async ValueTask<bool> MoveNextAsync() =>
                (current = await subscription.NextAsync(token).ConfigureAwait(false)) != null;

            public ValueTask DisposeAsync() => subscription.DisposeAsync();
        }
    }
}
