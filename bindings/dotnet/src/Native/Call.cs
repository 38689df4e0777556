using System;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Native
{
    /// <summary>
    /// An asynchronous call on its way through C. The C library holds it by a GCHandle until its callback has returned.
    /// What awaits it runs on the thread pool, never on the library's thread.
    /// </summary>
    internal sealed class Call : TaskCompletionSource<MessageHandle?>
    {
        private static readonly ReplyFunction ReplyDelegate = OnReply;
        internal static readonly IntPtr Callback = Marshal.GetFunctionPointerForDelegate(ReplyDelegate);

        private Call() : base(TaskCreationOptions.RunContinuationsAsynchronously)
        {
        }

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void ReplyFunction(int status, IntPtr reply, IntPtr error, IntPtr userData);

        /// <summary>Begins a call: one of the <c>_async</c> functions, given <see cref="Callback"/>, the held call and its drop.</summary>
        internal delegate int Starter(Call call, out IntPtr operation, out IntPtr error);

        /// <summary>Makes the call and gives its reply, null for a broadcast. The caller owns it.</summary>
        internal static async Task<MessageHandle?> RunAsync(Starter start, CancellationToken token)
        {
            var call = new Call();
            using OperationHandle operation = call.Begin(start);
            try
            {
                using (token.Register(Cancel, operation))
                {
                    return await call.Task.ConfigureAwait(false);
                }
            }
            catch (IpcException cancelled) when (IsOf(cancelled, token))
            {
                throw Cancelled(cancelled, token);
            }
        }

        /// <summary>The same for a caller that blocks, which a token can give up.</summary>
        internal static MessageHandle? Run(Starter start, CancellationToken token)
        {
            var call = new Call();
            using OperationHandle operation = call.Begin(start);
            try
            {
                using (token.Register(Cancel, operation))
                {
                    return call.Task.GetAwaiter().GetResult();
                }
            }
            catch (IpcException cancelled) when (IsOf(cancelled, token))
            {
                throw Cancelled(cancelled, token);
            }
        }

        private static void Cancel(object? operation) => ((OperationHandle)operation!).Cancel();

        private static bool IsOf(IpcException exception, CancellationToken token) =>
            exception.Status == IpcStatus.Cancelled && token.IsCancellationRequested;

        /// <summary>The inner exception tells whether the message may have been handled.</summary>
        private static OperationCanceledException Cancelled(IpcException exception, CancellationToken token) =>
            new OperationCanceledException(exception.Message, exception, token);

        private OperationHandle Begin(Starter start)
        {
            int status = start(this, out IntPtr started, out IntPtr error);
            Failure.Check(status, error);
            return new OperationHandle(started);
        }

        private static void OnReply(int status, IntPtr reply, IntPtr error, IntPtr userData)
        {
            try
            {
                var call = (Call)GCHandle.FromIntPtr(userData).Target!;
                if (status != 0)
                {
                    call.TrySetException(Failure.Take(status, error));
                }
                else
                {
                    call.TrySetResult(reply == IntPtr.Zero ? null : new MessageHandle(reply));
                }
            }
            catch (Exception)
            {
                // Only memory can lack here. No exception may cross into C.
            }
        }
    }
}
