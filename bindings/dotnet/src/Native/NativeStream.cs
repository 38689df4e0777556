using System;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Native
{
    /// <summary>Makes a value of a message that stays alive during the call.</summary>
    internal delegate T Reading<T>(IntPtr message, JsonSerializerOptions? json);

    /// <summary>
    /// <c>sipc_stream</c> on its way through C: what is taken from it, in both forms of waiting. A publisher is at its other
    /// end, a handler, or the caller of a handler here.
    /// </summary>
    internal sealed class NativeStream : IDisposable
    {
        private readonly StreamHandle handle;

        internal NativeStream(IntPtr pointer, JsonSerializerOptions? json)
        {
            handle = new StreamHandle(pointer);
            Json = json;
        }

        /// <summary>How values become JSON and back.</summary>
        internal JsonSerializerOptions? Json { get; }

        /// <summary>Takes what comes next; false at the end.</summary>
        internal bool Next<T>(Reading<T> read, TimeSpan timeout, CancellationToken token, out T taken)
        {
            if (token.CanBeCanceled)
            {
                return NextCancellable(read, timeout, token, out taken);
            }
            taken = default!;
            if (!TryBorrow(out Borrowed stream))
            {
                return false;
            }
            using (stream)
            {
                int status = NativeMethods.sipc_stream_next(
                    stream.Pointer, IpcOptions.Milliseconds(timeout), out IntPtr message, out IntPtr error);
                Failure.Check(status, error);
                return Taken(read, message, out taken);
            }
        }

        /// <summary>The same for a task.</summary>
        internal async ValueTask<(bool IsThere, T Taken)> NextAsync<T>(Reading<T> read, CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            // Without a thread of the library in between where there is one already.
            if (TryTake(read, out bool isThere, out T taken))
            {
                return (isThere, taken);
            }
            try
            {
                MessageHandle? message = await Call.RunAsync(NextStarter(Timeout.InfiniteTimeSpan), token).ConfigureAwait(false);
                isThere = Taken(read, message, out taken);
                return (isThere, taken);
            }
            catch (IpcException closed) when (IsEnd(closed))
            {
                return (false, default!);
            }
        }

        /// <summary>Ends it, also what waits for it. It never waits itself.</summary>
        internal void Close()
        {
            if (TryBorrow(out Borrowed stream))
            {
                using (stream)
                {
                    NativeMethods.sipc_stream_close(stream.Pointer);
                }
            }
        }

        public void Dispose()
        {
            // Before the handle: a call that waits holds on to that.
            Close();
            Free();
        }

        /// <summary>Lets go of it, without closing it where another call still uses it.</summary>
        internal void Free() => handle.Dispose();

        /// <summary>The pointer for one call. Fails with <see cref="IpcStatus.Closed"/> where it was disposed of.</summary>
        internal Borrowed Borrow() => handle.Borrow();

        /// <summary>False where it was disposed of.</summary>
        internal bool TryBorrow(out Borrowed stream)
        {
            try
            {
                stream = handle.Borrow();
                return true;
            }
            catch (IpcException closed) when (IsEnd(closed))
            {
                stream = default;
                return false;
            }
        }

        /// <summary>Apart, because only a wait that can be cancelled is worth an object.</summary>
        private bool NextCancellable<T>(Reading<T> read, TimeSpan timeout, CancellationToken token, out T taken)
        {
            token.ThrowIfCancellationRequested();
            try
            {
                return TryTake(read, out bool isThere, out taken) ? isThere : Taken(read, Call.Run(NextStarter(timeout), token), out taken);
            }
            catch (IpcException closed) when (IsEnd(closed))
            {
                taken = default!;
                return false;
            }
        }

        /// <summary>Takes what is there now, which may be the end. False where nothing is there yet.</summary>
        private bool TryTake<T>(Reading<T> read, out bool isThere, out T taken)
        {
            isThere = false;
            taken = default!;
            if (!TryBorrow(out Borrowed stream))
            {
                return true;
            }
            using (stream)
            {
                int status = NativeMethods.sipc_stream_next(stream.Pointer, 0, out IntPtr message, out IntPtr error);
                if (status == (int)IpcStatus.TimedOut)
                {
                    NativeMethods.sipc_error_free(error);
                    return false;
                }
                Failure.Check(status, error);
                isThere = Taken(read, message, out taken);
                return true;
            }
        }

        private Call.Starter NextStarter(TimeSpan timeout) => (Call call, out IntPtr operation, out IntPtr error) =>
        {
            using Borrowed stream = handle.Borrow();
            return NativeMethods.sipc_stream_next_async(
                stream.Pointer, IpcOptions.Milliseconds(timeout), Call.Callback, call.UserData, call.Drop, out operation, out error);
        };

        /// <summary>Reads a message, and frees it; false for none, which is the end.</summary>
        private bool Taken<T>(Reading<T> read, IntPtr message, out T taken)
        {
            taken = default!;
            if (message == IntPtr.Zero)
            {
                return false;
            }
            try
            {
                taken = read(message, Json);
                return true;
            }
            finally
            {
                NativeMethods.sipc_message_free(message);
            }
        }

        private bool Taken<T>(Reading<T> read, MessageHandle? message, out T taken)
        {
            taken = default!;
            if (message is null)
            {
                return false;
            }
            using (message)
            using (Borrowed borrowed = message.Borrow())
            {
                taken = read(borrowed.Pointer, Json);
                return true;
            }
        }

        /// <summary>Whether it was disposed of, perhaps by another thread this moment: that is the end, and no mistake.</summary>
        private bool IsEnd(IpcException exception) => exception.Status == IpcStatus.Closed && handle.IsClosed;
    }
}
