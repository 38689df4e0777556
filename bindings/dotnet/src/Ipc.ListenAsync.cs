using System;
using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Native;

namespace SimpleIpc
{
    public static partial class Ipc
    {
        /// <summary>Listens for requests on a named channel, without holding a thread of the caller's meanwhile.</summary>
        /// <typeparam name="TIn">What arrives: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <typeparam name="TOut">What is answered, in the same way.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="handler">
        /// Called for each request, on the library's threads, for several at once. It may block. If it throws, the caller gets
        /// <see cref="IpcStatus.HandlerFailed"/> with <c>TypeName: message</c>, or what a <see cref="HandlerException"/> says.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidName"/>, <see cref="IpcStatus.NoDirectory"/>,
        /// <see cref="IpcStatus.PathTooLong"/>, <see cref="IpcStatus.PathOccupied"/>,
        /// <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static Task<IpcListener> ListenUdsRequestAsync<TIn, TOut>(
            string channel, Func<TIn, TOut> handler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new RequestDispatcher<TIn, TOut>(handler, options), options, cancellationToken);

        /// <inheritdoc cref="ListenUdsRequestAsync{TIn, TOut}(string, Func{TIn, TOut}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenUdsRequestAsync<TIn, TOut>(
            string channel, Func<TIn, Task<TOut>> asyncHandler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new RequestDispatcher<TIn, TOut>(asyncHandler, options), options, cancellationToken);

        /// <inheritdoc cref="ListenUdsRequestAsync{TIn, TOut}(string, Func{TIn, TOut}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenUdsRequestAsync<TIn, TOut>(
            string channel, Func<TIn, IpcContext, TOut> handler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new RequestDispatcher<TIn, TOut>(handler, options), options, cancellationToken);

        /// <inheritdoc cref="ListenUdsRequestAsync{TIn, TOut}(string, Func{TIn, TOut}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenUdsRequestAsync<TIn, TOut>(
            string channel, Func<TIn, IpcContext, Task<TOut>> asyncHandler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new RequestDispatcher<TIn, TOut>(asyncHandler, options), options, cancellationToken);

        /// <summary>Listens for requests on a TCP port of 127.0.0.1, without holding a thread of the caller's meanwhile.</summary>
        /// <typeparam name="TIn">What arrives: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <typeparam name="TOut">What is answered, in the same way.</typeparam>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="handler">
        /// Called for each request, on the library's threads, for several at once. It may block. If it throws, the caller gets
        /// <see cref="IpcStatus.HandlerFailed"/> with <c>TypeName: message</c>, or what a <see cref="HandlerException"/> says.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidPort"/>, <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static Task<IpcListener> ListenIpRequestAsync<TIn, TOut>(
            int port, Func<TIn, TOut> handler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new RequestDispatcher<TIn, TOut>(handler, options), options, cancellationToken);

        /// <inheritdoc cref="ListenIpRequestAsync{TIn, TOut}(int, Func{TIn, TOut}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenIpRequestAsync<TIn, TOut>(
            int port, Func<TIn, Task<TOut>> asyncHandler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new RequestDispatcher<TIn, TOut>(asyncHandler, options), options, cancellationToken);

        /// <inheritdoc cref="ListenIpRequestAsync{TIn, TOut}(int, Func{TIn, TOut}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenIpRequestAsync<TIn, TOut>(
            int port, Func<TIn, IpcContext, TOut> handler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new RequestDispatcher<TIn, TOut>(handler, options), options, cancellationToken);

        /// <inheritdoc cref="ListenIpRequestAsync{TIn, TOut}(int, Func{TIn, TOut}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenIpRequestAsync<TIn, TOut>(
            int port, Func<TIn, IpcContext, Task<TOut>> asyncHandler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new RequestDispatcher<TIn, TOut>(asyncHandler, options), options, cancellationToken);

        /// <summary>Listens for broadcasts on a named channel, without holding a thread of the caller's meanwhile.</summary>
        /// <typeparam name="TIn">What arrives: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="handler">
        /// Called for each broadcast, on the library's threads; for those of one session one after another, also where it returns
        /// a task. It may block. What it throws goes to <see cref="IpcOptions.HandlerFailed"/>.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidName"/>, <see cref="IpcStatus.NoDirectory"/>,
        /// <see cref="IpcStatus.PathTooLong"/>, <see cref="IpcStatus.PathOccupied"/>,
        /// <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static Task<IpcListener> ListenUdsBroadcastAsync<TIn>(
            string channel, Action<TIn> handler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new BroadcastDispatcher<TIn>(handler, options), options, cancellationToken);

        /// <inheritdoc cref="ListenUdsBroadcastAsync{TIn}(string, Action{TIn}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenUdsBroadcastAsync<TIn>(
            string channel, Func<TIn, Task> asyncHandler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new BroadcastDispatcher<TIn>(asyncHandler, options), options, cancellationToken);

        /// <inheritdoc cref="ListenUdsBroadcastAsync{TIn}(string, Action{TIn}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenUdsBroadcastAsync<TIn>(
            string channel, Action<TIn, IpcContext> handler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new BroadcastDispatcher<TIn>(handler, options), options, cancellationToken);

        /// <inheritdoc cref="ListenUdsBroadcastAsync{TIn}(string, Action{TIn}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenUdsBroadcastAsync<TIn>(
            string channel, Func<TIn, IpcContext, Task> asyncHandler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new BroadcastDispatcher<TIn>(asyncHandler, options), options, cancellationToken);

        /// <summary>Listens for broadcasts on a TCP port of 127.0.0.1, without holding a thread of the caller's meanwhile.</summary>
        /// <typeparam name="TIn">What arrives: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="handler">
        /// Called for each broadcast, on the library's threads; for those of one session one after another, also where it returns
        /// a task. It may block. What it throws goes to <see cref="IpcOptions.HandlerFailed"/>.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidPort"/>, <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static Task<IpcListener> ListenIpBroadcastAsync<TIn>(
            int port, Action<TIn> handler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new BroadcastDispatcher<TIn>(handler, options), options, cancellationToken);

        /// <inheritdoc cref="ListenIpBroadcastAsync{TIn}(int, Action{TIn}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenIpBroadcastAsync<TIn>(
            int port, Func<TIn, Task> asyncHandler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new BroadcastDispatcher<TIn>(asyncHandler, options), options, cancellationToken);

        /// <inheritdoc cref="ListenIpBroadcastAsync{TIn}(int, Action{TIn}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenIpBroadcastAsync<TIn>(
            int port, Action<TIn, IpcContext> handler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new BroadcastDispatcher<TIn>(handler, options), options, cancellationToken);

        /// <inheritdoc cref="ListenIpBroadcastAsync{TIn}(int, Action{TIn}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenIpBroadcastAsync<TIn>(
            int port, Func<TIn, IpcContext, Task> asyncHandler, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new BroadcastDispatcher<TIn>(asyncHandler, options), options, cancellationToken);

        private static Task<IpcListener> ListenAsync(
            Target target, Dispatcher dispatcher, IpcOptions? options, CancellationToken token) =>
            Offload.RunAsync(() => Listen(target, dispatcher, options), token);
    }
}
