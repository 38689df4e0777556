using System;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using System.Threading.Tasks.Sources;

namespace SimpleIpc.Native
{
    /// <summary>
    /// A call that is awaited. It is used again: with its handle, it is the whole of what a call costs beside its task. Who
    /// rents it starts it once and awaits <see cref="Outcome"/> once, which gives it back.
    /// </summary>
    internal sealed class AwaitedCall : Call, IValueTaskSource<IntPtr>
    {
        /// <summary>How many are kept for later calls.</summary>
        private const int MostSpare = 1024;

        private static readonly ConcurrentQueue<AwaitedCall> Spare = new ConcurrentQueue<AwaitedCall>();

        // How many are in `Spare` or about to be. Written by whoever takes one or gives one back.
        private static int spares;

        // Keeps this object alive while C has it, and from one call to the next. Freed where it is not kept.
        private GCHandle handle;

        // Set by the library's thread, before the call is among the completions; taken out by who awaits it.
        private IntPtr reply;
        private IpcException? failure;

        private ManualResetValueTaskSourceCore<IntPtr> core;

        private AwaitedCall() => handle = GCHandle.Alloc(this);

        internal override IntPtr UserData => GCHandle.ToIntPtr(handle);

        internal override IntPtr Drop => IntPtr.Zero;

        /// <summary>The reply, which is its receiver's and null for a broadcast, or the failure. To be awaited once.</summary>
        internal ValueTask<IntPtr> Outcome => new ValueTask<IntPtr>(this, core.Version);

        internal static AwaitedCall Rent()
        {
            if (!Spare.TryDequeue(out AwaitedCall? call))
            {
                return new AwaitedCall();
            }
            Interlocked.Decrement(ref spares);
            return call;
        }

        /// <summary>What the start of the call has come to, where it gives no operation.</summary>
        internal void Check(int status, IntPtr error)
        {
            if (status != 0)
            {
                NotStarted();
                Failure.Check(status, error);
            }
        }

        /// <summary>Has a token cancel the call, which has been started.</summary>
        internal CancellationTokenRegistration CancelWith(CancellationToken token, OperationHandle operation)
        {
            try
            {
                return token.Register(Cancel, operation);
            }
            catch (Exception)
            {
                // Nobody is going to await it.
                _ = DiscardAsync();
                throw;
            }
        }

        /// <summary>Tells who awaits it, in the calling thread. For <see cref="Completions"/>.</summary>
        internal void Tell()
        {
            // The core may be another call's as soon as it is told.
            if (failure is IpcException exception)
            {
                failure = null;
                core.SetException(exception);
            }
            else
            {
                core.SetResult(reply);
            }
        }

        public IntPtr GetResult(short token)
        {
            try
            {
                return core.GetResult(token);
            }
            finally
            {
                GiveBack();
            }
        }

        public ValueTaskSourceStatus GetStatus(short token) => core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            core.OnCompleted(continuation, state, token, flags);

        protected override void NotStarted() => GiveBack();

        protected override void Succeed(IntPtr reply)
        {
            this.reply = reply;
            Completions.Add(this);
        }

        protected override void Fail(IpcException exception)
        {
            failure = exception;
            Completions.Add(this);
        }

        private async Task DiscardAsync()
        {
            try
            {
                NativeMethods.sipc_message_free(await Outcome.ConfigureAwait(false));
            }
            catch (IpcException)
            {
                // Nobody hears of it.
            }
        }

        private void GiveBack()
        {
            reply = IntPtr.Zero;
            core.Reset();
            if (Interlocked.Increment(ref spares) > MostSpare)
            {
                Interlocked.Decrement(ref spares);
                handle.Free();
                return;
            }
            Spare.Enqueue(this);
        }
    }
}
