using System;
using System.Runtime.InteropServices;
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

        /// <summary>
        /// Sends the reply. Gives what is wrong with it, of which the caller has been told; a caller that is gone is no error of
        /// the handler's.
        /// </summary>
        internal IpcException? Respond(in Outgoing reply)
        {
            IntPtr taken = Take();
            return taken == IntPtr.Zero ? null : Respond(taken, reply);
        }

        /// <summary>The same for a handler that has answered when it returns, and needs no object for it: uses the pointer up.</summary>
        internal static unsafe IpcException? Respond(IntPtr taken, in Outgoing reply)
        {
            fixed (byte* data = reply.Data.Span)
            {
                int status = NativeMethods.sipc_respond(taken, reply.Native(data), out IntPtr error);
                if (status == 0)
                {
                    return null;
                }
                IpcException mistake = Failure.Take(status, error);
                return mistake.Status == IpcStatus.InvalidJson || mistake.Status == IpcStatus.TooLarge ? mistake : null;
            }
        }

        /// <summary>Fails the message; false where the caller cannot be told, or none is there to be told.</summary>
        /// <param name="message">One line.</param>
        /// <param name="code">For programs; may be null.</param>
        /// <param name="json">One JSON text; may be null.</param>
        internal unsafe bool Fail(string message, string? code = null, byte[]? json = null)
        {
            fixed (byte* line = Text.Zeroed(message), word = code is null ? null : Text.Zeroed(ErrorText.OneLine(code)), data = Text.Zeroed(json))
            {
                IntPtr taken = Take();
                return taken != IntPtr.Zero && NativeMethods.sipc_respond_failure(taken, line, word, data, IntPtr.Zero) == 0;
            }
        }

        /// <summary>Refuses a body that the handler does not take; false as for <see cref="Fail"/>.</summary>
        internal unsafe bool Reject(string message)
        {
            fixed (byte* line = Text.Zeroed(message))
            {
                IntPtr taken = Take();
                return taken != IntPtr.Zero && NativeMethods.sipc_reject(taken, line, IntPtr.Zero) == 0;
            }
        }

        /// <summary>Whether the caller opened a stream.</summary>
        internal bool IsStream
        {
            get
            {
                lock (gate)
                {
                    return !IsInvalid && NativeMethods.sipc_responder_is_stream(handle) != 0;
                }
            }
        }

        /// <summary>The caller's items; null where the answer is there already.</summary>
        internal NativeStream? Items(System.Text.Json.JsonSerializerOptions? json)
        {
            lock (gate)
            {
                if (IsInvalid)
                {
                    return null;
                }
                int status = NativeMethods.sipc_responder_items(handle, out IntPtr stream, out IntPtr error);
                Failure.Check(status, error);
                return new NativeStream(stream, json);
            }
        }

        /// <summary>
        /// Begins an answer of several items; null where there can be none: the caller has gone, or has opened no stream, of which
        /// it has been told.
        /// </summary>
        internal NativeStream? Stream(System.Text.Json.JsonSerializerOptions? json)
        {
            IntPtr taken = Take();
            if (taken == IntPtr.Zero)
            {
                return null;
            }
            int status = NativeMethods.sipc_responder_stream(taken, out IntPtr stream, IntPtr.Zero);
            return status == 0 ? new NativeStream(stream, json) : null;
        }

        /// <summary>Whether nobody waits for the answer any more.</summary>
        internal bool IsUnwanted
        {
            get
            {
                lock (gate)
                {
                    return IsInvalid || NativeMethods.sipc_responder_is_cancelled(handle) != 0;
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
