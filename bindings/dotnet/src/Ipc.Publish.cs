using System;
using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Native;

namespace SimpleIpc
{
    public static partial class Ipc
    {
        /// <summary>
        /// Listens on a named channel for subscribers, to whom <see cref="IpcListener.Publish"/> sends events. Requests and
        /// broadcasts to it fail with <see cref="IpcStatus.WrongMode"/>; a listener that takes those too has
        /// <see cref="IpcOptions.Publish"/>.
        /// </summary>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidName"/>, <see cref="IpcStatus.NoDirectory"/>,
        /// <see cref="IpcStatus.PathTooLong"/>, <see cref="IpcStatus.PathOccupied"/>,
        /// <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static IpcListener ListenUdsPublish(string channel, IpcOptions? options = null) =>
            ListenPublish(Target.Uds(channel), options);

        /// <summary>As <see cref="ListenUdsPublish"/>, on a TCP port of 127.0.0.1.</summary>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidPort"/>, <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static IpcListener ListenIpPublish(int port, IpcOptions? options = null) =>
            ListenPublish(Target.Ip(port), options);

        /// <summary>As <see cref="ListenUdsPublish"/>, without holding a thread of the caller's meanwhile.</summary>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">As for <see cref="ListenUdsPublish"/>.</exception>
        public static Task<IpcListener> ListenUdsPublishAsync(
            string channel, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenPublishAsync(Target.Uds(channel), options, cancellationToken);

        /// <summary>As <see cref="ListenIpPublish"/>, without holding a thread of the caller's meanwhile.</summary>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">As for <see cref="ListenIpPublish"/>.</exception>
        public static Task<IpcListener> ListenIpPublishAsync(
            int port, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenPublishAsync(Target.Ip(port), options, cancellationToken);

        private static IpcListener ListenPublish(Target target, IpcOptions? options)
        {
            Library.Ensure();
            using OptionsHandle? native = IpcOptions.ToNative(options);
            using Borrowed borrowed = Borrowed.Of(native);
            int status = target.ListenPublish(borrowed.Pointer, out IntPtr listener, out IntPtr error);
            Failure.Check(status, error);
            return new IpcListener(new ListenerHandle(listener), null, options);
        }

        private static Task<IpcListener> ListenPublishAsync(Target target, IpcOptions? options, CancellationToken token) =>
            Offload.RunAsync(() => ListenPublish(target, options), token);
    }
}
