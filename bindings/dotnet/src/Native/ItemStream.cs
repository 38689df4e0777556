using System;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Native
{
    /// <summary>A stream of items that go both ways: the caller's side of it, or its handler's.</summary>
    internal sealed class ItemStream : IDisposable
    {
        /// <summary>The most bytes of asynchronous sends that nobody awaits.</summary>
        private const long MostWaiting = 4 << 20;

        /// <summary>What an item takes on its way beside its body, so that empty ones have a limit, too.</summary>
        private const int Head = 16;

        private readonly NativeStream stream;

        // Ends the whole stream, from the call that began it.
        private readonly CancellationToken token;
        private readonly CancellationTokenRegistration registration;

        // Whether `token` has ended it. Written by whoever cancels, before it closes the stream: what that ends sees it.
        private volatile bool isCancelled;

        // Bytes of the asynchronous sends that wait for room, by all threads. Interlocked: nothing else is read after it. Zero
        // where none waits, and then a send may be made at once without overtaking another.
        private long waiting;

        /// <param name="stream">Its owner is this object.</param>
        /// <param name="token">Ends it.</param>
        internal ItemStream(NativeStream stream, CancellationToken token)
        {
            this.stream = stream;
            this.token = token;
            if (token.CanBeCanceled)
            {
                // A token that lives long is not to keep streams that nobody has any more.
                registration = token.Register(Cancel, new WeakReference<ItemStream>(this));
            }
        }

        /// <summary>Takes the next item of the other side; false at the end.</summary>
        internal bool Next<T>(TimeSpan timeout, CancellationToken giveUp, out T item)
        {
            try
            {
                bool isThere = stream.Next(Reading<T>.Body, timeout, giveUp, out item);
                return isThere || NotCancelled();
            }
            catch (IpcException error) when (isCancelled && error.Status != IpcStatus.InvalidBody)
            {
                throw Cancelled(error);
            }
        }

        /// <summary>The same for a task.</summary>
        internal async ValueTask<(bool IsThere, T Item)> NextAsync<T>(CancellationToken giveUp)
        {
            try
            {
                (bool IsThere, T Item) next = await stream.NextAsync(Reading<T>.Body, giveUp).ConfigureAwait(false);
                return next.IsThere || NotCancelled() ? next : default;
            }
            catch (IpcException error) when (isCancelled && error.Status != IpcStatus.InvalidBody)
            {
                throw Cancelled(error);
            }
        }

        /// <summary>Sends an item, and waits for room in the calling thread.</summary>
        internal void Send<T>(T item, string what, TimeSpan timeout, CancellationToken giveUp)
        {
            giveUp.ThrowIfCancellationRequested();
            Outgoing outgoing = Body.From(item, stream.Json, what);
            try
            {
                if (!giveUp.CanBeCanceled)
                {
                    int status = SendHere(outgoing, timeout, out IntPtr error);
                    Failure.Check(status, error);
                }
                else if (!TrySend(outgoing))
                {
                    Call.Run(Starter(outgoing, timeout), giveUp)?.Dispose();
                }
            }
            catch (IpcException error) when (isCancelled)
            {
                throw Cancelled(error);
            }
        }

        /// <summary>Sends an item when there is room, behind those that wait for it.</summary>
        internal async ValueTask SendAsync<T>(T item, string what, CancellationToken giveUp)
        {
            giveUp.ThrowIfCancellationRequested();
            Outgoing outgoing = Body.From(item, stream.Json, what);
            try
            {
                if (Interlocked.Read(ref waiting) != 0 || !TrySend(outgoing))
                {
                    await SendLaterAsync(outgoing, giveUp).ConfigureAwait(false);
                }
            }
            catch (IpcException error) when (isCancelled)
            {
                throw Cancelled(error);
            }
        }

        /// <summary>No more items from here. Nothing where it has ended, or was closed or disposed of.</summary>
        internal void End()
        {
            if (!stream.TryBorrow(out Borrowed borrowed))
            {
                return;
            }
            using (borrowed)
            {
                int status = NativeMethods.sipc_stream_end(borrowed.Pointer, out IntPtr error);
                if (status == (int)IpcStatus.Closed)
                {
                    NativeMethods.sipc_error_free(error);
                    return;
                }
                Failure.Check(status, error);
            }
        }

        /// <summary>Fails it as its handler; false where the caller cannot be told.</summary>
        /// <param name="message">One line.</param>
        /// <param name="code">For programs; may be null.</param>
        /// <param name="json">One JSON text; may be null.</param>
        internal unsafe bool Fail(string message, string? code = null, byte[]? json = null)
        {
            using Borrowed borrowed = stream.Borrow();
            fixed (byte* line = Text.Zeroed(message), word = code is null ? null : Text.Zeroed(ErrorText.OneLine(code)), data = Text.Zeroed(json))
            {
                return NativeMethods.sipc_stream_fail_with(borrowed.Pointer, line, word, data, IntPtr.Zero) == 0;
            }
        }

        /// <summary>Whether nothing more can be sent; of a handler's side also where its caller has left.</summary>
        internal bool IsOver
        {
            get
            {
                using Borrowed borrowed = stream.Borrow();
                return NativeMethods.sipc_stream_is_over(borrowed.Pointer) != 0;
            }
        }

        /// <summary>Ends it as its handler, which has done all there was to do; a caller that has left is no error of its.</summary>
        internal void Finish()
        {
            using Borrowed borrowed = stream.Borrow();
            NativeMethods.sipc_stream_end(borrowed.Pointer, out IntPtr error);
            NativeMethods.sipc_error_free(error);
        }

        /// <summary>Ends it, also what waits for it. It never waits or throws.</summary>
        internal void Close()
        {
            stream.Close();
            registration.Dispose();
        }

        public void Dispose()
        {
            stream.Dispose();
            registration.Dispose();
        }

        private static void Cancel(object? target)
        {
            if (((WeakReference<ItemStream>)target!).TryGetTarget(out ItemStream? one))
            {
                one.isCancelled = true;
                one.stream.Close();
            }
        }

        private async Task SendLaterAsync(Outgoing outgoing, CancellationToken giveUp)
        {
            long size = outgoing.Data.Length + Head;
            long all = Interlocked.Add(ref waiting, size);
            try
            {
                if (all > MostWaiting && all != size)
                {
                    throw new IpcException(
                        IpcStatus.OutOfResources,
                        $"cannot send {outgoing.Data.Length} bytes: {all - size} bytes of calls that nobody awaits wait for room, and {MostWaiting} may; await each call");
                }
                MessageHandle? none = await Call.RunAsync(Starter(outgoing, Timeout.InfiniteTimeSpan), giveUp).ConfigureAwait(false);
                none?.Dispose();
            }
            finally
            {
                Interlocked.Add(ref waiting, -size);
            }
        }

        /// <summary>False where there is no room yet. Nothing was sent then.</summary>
        private bool TrySend(in Outgoing outgoing)
        {
            int status = SendHere(outgoing, TimeSpan.Zero, out IntPtr error);
            if (status == (int)IpcStatus.TimedOut)
            {
                NativeMethods.sipc_error_free(error);
                return false;
            }
            Failure.Check(status, error);
            return true;
        }

        private unsafe int SendHere(in Outgoing outgoing, TimeSpan timeout, out IntPtr error)
        {
            using Borrowed borrowed = stream.Borrow();
            fixed (byte* data = outgoing.Data.Span)
            {
                return NativeMethods.sipc_stream_send(
                    borrowed.Pointer, outgoing.Native(data), IpcOptions.Milliseconds(timeout), out error);
            }
        }

        private Call.Starter Starter(Outgoing outgoing, TimeSpan timeout) =>
            (Call call, out IntPtr operation, out IntPtr error) => Start(outgoing, timeout, call, out operation, out error);

        private unsafe int Start(in Outgoing outgoing, TimeSpan timeout, Call call, out IntPtr operation, out IntPtr error)
        {
            using Borrowed borrowed = stream.Borrow();
            fixed (byte* data = outgoing.Data.Span)
            {
                return NativeMethods.sipc_stream_send_async(
                    borrowed.Pointer, outgoing.Native(data), IpcOptions.Milliseconds(timeout), Call.Callback, call.UserData, call.Drop,
                    out operation, out error);
            }
        }

        /// <summary>Says at the end that it was cancelled, where it was; else false.</summary>
        private bool NotCancelled() => isCancelled ? throw Cancelled(null) : false;

        private OperationCanceledException Cancelled(Exception? cause) =>
            new OperationCanceledException("the stream was cancelled by the token that it was begun with", cause, token);

        /// <summary>How an item is read.</summary>
        private static class Reading<T>
        {
            internal static readonly Native.Reading<T> Body = Native.Body.To<T>;
        }
    }
}
