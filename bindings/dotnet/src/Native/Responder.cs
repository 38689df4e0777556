using System;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;

namespace SimpleIpc.Native
{
    /// <summary>
    /// <c>sipc_responder</c>: where the answer to one message goes. Answering uses it up, while another thread may ask for
    /// its cancellation: the lock keeps the two apart.
    /// </summary>
    internal sealed class Responder : SafeHandle
    {
        private static readonly CancelFunction CancelDelegate = OnCancelled;
        private static readonly IntPtr CancelCallback = Marshal.GetFunctionPointerForDelegate(CancelDelegate);

        private readonly object gate = new object();

        /// <param name="pointer">What the handler was given.</param>
        /// <param name="owned">False for a broadcast, whose responder is lent for the handler's time.</param>
        internal Responder(IntPtr pointer, bool owned) : base(IntPtr.Zero, owned)
        {
            SetHandle(pointer);
        }

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void CancelFunction(IntPtr userData);

        public override bool IsInvalid => handle == IntPtr.Zero;

        /// <summary>Sends the reply. A caller that is gone is no error of the handler's.</summary>
        internal unsafe void Respond(in Outgoing reply)
        {
            fixed (byte* data = reply.Data.Span)
            {
                IntPtr taken = Take();
                if (taken != IntPtr.Zero)
                {
                    NativeMethods.sipc_respond(taken, reply.Native(data), IntPtr.Zero);
                }
            }
        }

        /// <summary>Tells the caller that the handler failed.</summary>
        internal unsafe void Fail(string text)
        {
            // C's texts end at the first zero; broken UTF-16 becomes the replacement character.
            byte[] line = Encoding.UTF8.GetBytes(text.Replace('\0', ' ').Replace('\r', ' ').Replace('\n', ' ') + "\0");
            fixed (byte* data = line)
            {
                IntPtr taken = Take();
                if (taken != IntPtr.Zero)
                {
                    NativeMethods.sipc_respond_error(taken, data, IntPtr.Zero);
                }
            }
        }

        /// <summary>Gives up a responder that was lent, when the handler's time is over.</summary>
        internal void Return() => Take();

        /// <summary>Has a source cancelled when nobody waits for the answer any more, until there is one.</summary>
        internal void CancelWhenUnwanted(CancellationTokenSource source)
        {
            lock (gate)
            {
                if (!IsInvalid)
                {
                    int status = NativeMethods.sipc_responder_on_cancel(
                        handle, CancelCallback, Dispatcher.Hold(source), Dispatcher.Drop, out IntPtr error);
                    Failure.Check(status, error);
                }
            }
        }

        private static void OnCancelled(IntPtr userData)
        {
            try
            {
                // What is registered with the token may take long, or throw: on another thread, and to nobody.
                ThreadPool.UnsafeQueueUserWorkItem(
                    source =>
                    {
                        try
                        {
                            ((CancellationTokenSource)source!).Cancel();
                        }
                        catch (AggregateException)
                        {
                            // The handler's own callbacks failed; the caller that would be told has gone.
                        }
                    },
                    GCHandle.FromIntPtr(userData).Target);
            }
            catch (Exception)
            {
                // Only memory can lack here. No exception may cross into C.
            }
        }

        private IntPtr Take()
        {
            lock (gate)
            {
                IntPtr taken = handle;
                SetHandleAsInvalid();
                SetHandle(IntPtr.Zero);
                return taken;
            }
        }

        protected override bool ReleaseHandle()
        {
            NativeMethods.sipc_responder_free(handle);
            return true;
        }
    }
}
