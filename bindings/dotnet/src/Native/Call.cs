using System;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Native
{
    /// <summary>
    /// An asynchronous call on its way through C. The C library has it by a GCHandle, and gives that back with the one
    /// callback in which the call ends, on a thread of the library. No code of the user runs there.
    /// </summary>
    internal abstract class Call
    {
        private static readonly ReplyFunction ReplyDelegate = OnReply;
        internal static readonly IntPtr Callback = Marshal.GetFunctionPointerForDelegate(ReplyDelegate);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void ReplyFunction(int status, IntPtr reply, IntPtr error, IntPtr userData);

        /// <summary>Begins a call: one of the <c>_async</c> functions, given <see cref="Callback"/>, <see cref="UserData"/> and <see cref="Drop"/>.</summary>
        internal delegate int Starter(Call call, out IntPtr operation, out IntPtr error);

        /// <summary>The <c>user_data</c> of one start of this call.</summary>
        internal abstract IntPtr UserData { get; }

        /// <summary>What releases <see cref="UserData"/>; zero where the call keeps its handle.</summary>
        internal abstract IntPtr Drop { get; }

        /// <summary>Makes the call and gives its reply, null for a broadcast. The caller owns it.</summary>
        internal static async Task<MessageHandle?> RunAsync(Starter start, CancellationToken token)
        {
            AwaitedCall call = AwaitedCall.Rent();
            using OperationHandle operation = call.Begin(start);
            try
            {
                using (call.CancelWith(token, operation))
                {
                    IntPtr reply = await call.Outcome.ConfigureAwait(false);
                    return reply == IntPtr.Zero ? null : new MessageHandle(reply);
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
            var call = new WaitedCall();
            using OperationHandle operation = call.Begin(start);
            try
            {
                using (token.Register(Cancel, operation))
                {
                    return call.Wait();
                }
            }
            catch (IpcException cancelled) when (IsOf(cancelled, token))
            {
                throw Cancelled(cancelled, token);
            }
        }

        protected static void Cancel(object? operation) => ((OperationHandle)operation!).Cancel();

        private static bool IsOf(IpcException exception, CancellationToken token) =>
            exception.Status == IpcStatus.Cancelled && token.IsCancellationRequested;

        /// <summary>The inner exception tells whether the message may have been handled.</summary>
        private static OperationCanceledException Cancelled(IpcException exception, CancellationToken token) =>
            new OperationCanceledException(exception.Message, exception, token);

        /// <summary>Starts it, so that it can be cancelled.</summary>
        private OperationHandle Begin(Starter start)
        {
            IntPtr started = IntPtr.Zero;
            bool isStarted = false;
            try
            {
                int status = start(this, out started, out IntPtr error);
                isStarted = status == 0;
                Failure.Check(status, error);
            }
            finally
            {
                if (!isStarted)
                {
                    NotStarted();
                }
            }
            return new OperationHandle(started);
        }

        /// <summary>The start has failed: the callback does not come.</summary>
        protected abstract void NotStarted();

        /// <summary>It has ended, with what is the call's: a reply, null where there is none.</summary>
        protected abstract void Succeed(IntPtr reply);

        /// <summary>It has failed.</summary>
        protected abstract void Fail(IpcException exception);

        private static void OnReply(int status, IntPtr reply, IntPtr error, IntPtr userData)
        {
            try
            {
                var call = (Call)GCHandle.FromIntPtr(userData).Target!;
                if (status != 0)
                {
                    call.Fail(Failure.Take(status, error));
                }
                else
                {
                    call.Succeed(reply);
                }
            }
            catch (Exception)
            {
                // Only memory can lack here. No exception may cross into C.
            }
        }
    }

    /// <summary>A call for which a thread waits. That thread is woken by the library's, so that it needs no other one.</summary>
    internal sealed class WaitedCall : Call
    {
        private readonly TaskCompletionSource<MessageHandle?> outcome =
            new TaskCompletionSource<MessageHandle?>(TaskCreationOptions.RunContinuationsAsynchronously);

        internal override IntPtr UserData => Dispatcher.Hold(this);

        internal override IntPtr Drop => Dispatcher.Drop;

        internal MessageHandle? Wait() => outcome.Task.GetAwaiter().GetResult();

        protected override void NotStarted()
        {
            // C has dropped the handle.
        }

        protected override void Succeed(IntPtr reply) => outcome.TrySetResult(reply == IntPtr.Zero ? null : new MessageHandle(reply));

        protected override void Fail(IpcException exception) => outcome.TrySetException(exception);
    }
}
