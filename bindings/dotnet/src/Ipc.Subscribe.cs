using System;
using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Native;

namespace SimpleIpc
{
    public static partial class Ipc
    {
        /// <summary>
        /// Subscribes to the publisher on a named channel, and waits until it has taken the subscription in: what is published
        /// from then on comes, or is told as <see cref="IpcEvent{T}.Missed"/>.
        /// </summary>
        /// <typeparam name="T">What is published: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up subscribing, from another thread, with an <see cref="OperationCanceledException"/>.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.WrongMode"/> (it does not publish; or it has no patience, which
        /// <see cref="IpcOverflow.Block"/> needs), <see cref="IpcStatus.UnsupportedVersion"/> (its library is too old to publish),
        /// <see cref="IpcStatus.TimedOut"/>, <see cref="IpcStatus.InvalidArgument"/> (no topics, or one that is too long) and others.
        /// </exception>
        public static IpcSubscription<T> SubscribeUds<T>(
            string channel, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Subscribe<T>(Target.Uds(channel), options, cancellationToken);

        /// <summary>As <see cref="SubscribeUds"/>, on a TCP port of 127.0.0.1.</summary>
        /// <typeparam name="T">What is published: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <param name="port">1 to 65535.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up subscribing, from another thread, with an <see cref="OperationCanceledException"/>.</param>
        /// <exception cref="IpcException">As for <see cref="SubscribeUds"/>, and <see cref="IpcStatus.InvalidPort"/>.</exception>
        public static IpcSubscription<T> SubscribeIp<T>(
            int port, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Subscribe<T>(Target.Ip(port), options, cancellationToken);

        /// <summary>As <see cref="SubscribeUds"/>, for tasks. Subscribing takes a thread of its own; waiting for events takes none.</summary>
        /// <typeparam name="T">What is published: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up subscribing with an <see cref="OperationCanceledException"/>.</param>
        /// <exception cref="IpcException">As for <see cref="SubscribeUds"/>.</exception>
        public static Task<IpcAsyncSubscription<T>> SubscribeUdsAsync<T>(
            string channel, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            SubscribeAsync<T>(Target.Uds(channel), options, cancellationToken);

        /// <summary>As <see cref="SubscribeUdsAsync"/>, on a TCP port of 127.0.0.1.</summary>
        /// <typeparam name="T">What is published: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <param name="port">1 to 65535.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up subscribing with an <see cref="OperationCanceledException"/>.</param>
        /// <exception cref="IpcException">As for <see cref="SubscribeIp"/>.</exception>
        public static Task<IpcAsyncSubscription<T>> SubscribeIpAsync<T>(
            int port, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            SubscribeAsync<T>(Target.Ip(port), options, cancellationToken);

        private static IpcSubscription<T> Subscribe<T>(Target target, IpcOptions? options, CancellationToken token) =>
            Offload.Run(() => new IpcSubscription<T>(Begin(target, options)), token);

        private static Task<IpcAsyncSubscription<T>> SubscribeAsync<T>(Target target, IpcOptions? options, CancellationToken token) =>
            Offload.RunAsync(() => new IpcAsyncSubscription<T>(Begin(target, options)), token);

        private static NativeStream Begin(Target target, IpcOptions? options)
        {
            Library.Ensure();
            using OptionsHandle? native = IpcOptions.ToNative(options);
            using Borrowed borrowed = Borrowed.Of(native);
            int status = target.Subscribe(borrowed.Pointer, out IntPtr stream, out IntPtr error);
            Failure.Check(status, error);
            return new NativeStream(stream, options?.Json);
        }
    }
}
