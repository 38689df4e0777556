using System;
using System.Runtime.InteropServices;

namespace SimpleIpc.Native
{
    /// <summary>One object of the C library, freed once, and not while a call uses it.</summary>
    internal abstract class NativeHandle : SafeHandle
    {
        private readonly string noun;

        protected NativeHandle(IntPtr pointer, string noun) : base(IntPtr.Zero, true)
        {
            this.noun = noun;
            SetHandle(pointer);
        }

        public override bool IsInvalid => handle == IntPtr.Zero;

        protected abstract void Free();

        protected sealed override bool ReleaseHandle()
        {
            Free();
            return true;
        }

        /// <summary>The pointer for one call; the object stays alive until the result is disposed.</summary>
        internal Borrowed Borrow()
        {
            bool added = false;
            try
            {
                DangerousAddRef(ref added);
            }
            catch (ObjectDisposedException)
            {
                throw new IpcException(IpcStatus.Closed, $"the {noun} is disposed; make a new one");
            }
            return new Borrowed(this);
        }
    }

    internal readonly ref struct Borrowed
    {
        private readonly NativeHandle? owner;

        internal Borrowed(NativeHandle owner) => this.owner = owner;

        /// <summary>A handle that may be left out, as NULL.</summary>
        internal static Borrowed Of(NativeHandle? owner) => owner is null ? default : owner.Borrow();

        internal IntPtr Pointer => owner?.DangerousGetHandle() ?? IntPtr.Zero;

        public void Dispose() => owner?.DangerousRelease();
    }

    internal sealed class ListenerHandle : NativeHandle
    {
        internal ListenerHandle(IntPtr pointer) : base(pointer, "listener") { }

        protected override void Free() => NativeMethods.sipc_listener_free(handle);
    }

    internal sealed class ClientHandle : NativeHandle
    {
        internal ClientHandle(IntPtr pointer) : base(pointer, "client") { }

        protected override void Free() => NativeMethods.sipc_client_free(handle);
    }

    internal sealed class StreamHandle : NativeHandle
    {
        internal StreamHandle(IntPtr pointer) : base(pointer, "stream") { }

        protected override void Free() => NativeMethods.sipc_stream_free(handle);
    }

    internal sealed class OptionsHandle : NativeHandle
    {
        internal OptionsHandle(IntPtr pointer) : base(pointer, "options") { }

        protected override void Free() => NativeMethods.sipc_options_free(handle);
    }

    internal sealed class MessageHandle : NativeHandle
    {
        internal MessageHandle(IntPtr pointer) : base(pointer, "message") { }

        internal T Read<T>(System.Text.Json.JsonSerializerOptions? json)
        {
            using var message = Borrow();
            return Body.To<T>(message.Pointer, json);
        }

        protected override void Free() => NativeMethods.sipc_message_free(handle);
    }

    internal sealed class OperationHandle : NativeHandle
    {
        internal OperationHandle(IntPtr pointer) : base(pointer, "operation") { }

        internal void Cancel()
        {
            using var operation = Borrow();
            NativeMethods.sipc_operation_cancel(operation.Pointer);
        }

        protected override void Free() => NativeMethods.sipc_operation_free(handle);
    }

    internal sealed class ChannelListHandle : NativeHandle
    {
        internal ChannelListHandle(IntPtr pointer) : base(pointer, "list of channels") { }

        protected override void Free() => NativeMethods.sipc_channel_list_free(handle);
    }
}
