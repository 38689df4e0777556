using System;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Native
{
    /// <summary><c>sipc_stream</c>: a subscription on its way through C, for both forms of waiting.</summary>
    internal sealed class EventStream : IDisposable
    {
        private readonly StreamHandle handle;
        private readonly JsonSerializerOptions? json;

        internal EventStream(IntPtr pointer, JsonSerializerOptions? json)
        {
            handle = new StreamHandle(pointer);
            this.json = json;
        }

        /// <summary>Null is the end.</summary>
        internal IpcEvent<T>? Next<T>(TimeSpan timeout, CancellationToken token)
        {
            if (token.CanBeCanceled)
            {
                return NextCancellable<T>(timeout, token);
            }
            if (!Borrow(out Borrowed stream))
            {
                return null;
            }
            using (stream)
            {
                int status = NativeMethods.sipc_stream_next(
                    stream.Pointer, IpcOptions.Milliseconds(timeout), out IntPtr message, out IntPtr error);
                Failure.Check(status, error);
                return Taken<T>(message);
            }
        }

        internal async ValueTask<IpcEvent<T>?> NextAsync<T>(CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            // Without a thread of the library in between where there is one already.
            if (TryTake(out IpcEvent<T>? there))
            {
                return there;
            }
            try
            {
                return Taken<T>(await Call.RunAsync(Starter(Timeout.InfiniteTimeSpan), token).ConfigureAwait(false));
            }
            catch (IpcException closed) when (IsEnd(closed))
            {
                return null;
            }
        }

        /// <summary>Ends it, also what waits for it. It never waits itself.</summary>
        internal void Close()
        {
            if (Borrow(out Borrowed stream))
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
            handle.Dispose();
        }

        /// <summary>Apart, because only a wait that can be cancelled is worth an object.</summary>
        private IpcEvent<T>? NextCancellable<T>(TimeSpan timeout, CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            try
            {
                return TryTake(out IpcEvent<T>? there) ? there : Taken<T>(Call.Run(Starter(timeout), token));
            }
            catch (IpcException closed) when (IsEnd(closed))
            {
                return null;
            }
        }

        /// <summary>Takes the next event, or the end, where one is there now. False where neither is.</summary>
        private bool TryTake<T>(out IpcEvent<T>? there)
        {
            there = null;
            if (!Borrow(out Borrowed stream))
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
                there = Taken<T>(message);
                return true;
            }
        }

        private Call.Starter Starter(TimeSpan timeout) => (Call call, out IntPtr operation, out IntPtr error) =>
        {
            using Borrowed stream = handle.Borrow();
            return NativeMethods.sipc_stream_next_async(
                stream.Pointer, IpcOptions.Milliseconds(timeout), Call.Callback, Dispatcher.Hold(call), Dispatcher.Drop, out operation, out error);
        };

        /// <summary>Reads an event, and frees it.</summary>
        private IpcEvent<T>? Taken<T>(IntPtr message)
        {
            if (message == IntPtr.Zero)
            {
                return null;
            }
            try
            {
                return new IpcEvent<T>(message, json);
            }
            finally
            {
                NativeMethods.sipc_message_free(message);
            }
        }

        private IpcEvent<T>? Taken<T>(MessageHandle? message)
        {
            if (message is null)
            {
                return null;
            }
            using (message)
            using (Borrowed borrowed = message.Borrow())
            {
                return new IpcEvent<T>(borrowed.Pointer, json);
            }
        }

        /// <summary>Whether it was disposed of, perhaps by another thread this moment: that is the end, and no mistake.</summary>
        private bool IsEnd(IpcException exception) => exception.Status == IpcStatus.Closed && handle.IsClosed;

        /// <summary>False where it was disposed of.</summary>
        private bool Borrow(out Borrowed stream)
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
    }
}
