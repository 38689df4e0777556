using System;
using System.Threading.Tasks;
using SimpleIpc.Native;

namespace SimpleIpc
{
    /// <summary>
    /// The eight calls that most programs need: listen or post, by name (a Unix-domain socket) or port (TCP on 127.0.0.1), a
    /// request that gets an answer or a broadcast that gets none. Any thread may make any call; nothing captures a
    /// synchronization context. <c>byte[]</c>, <c>Memory&lt;byte&gt;</c>, <c>ReadOnlyMemory&lt;byte&gt;</c> and
    /// <c>ArraySegment&lt;byte&gt;</c> travel as bytes, an <see cref="IpcMessage"/> as it is, and every other type as the JSON
    /// that System.Text.Json makes of it. Failures are <see cref="IpcException"/>s.
    /// </summary>
    public static partial class Ipc
    {
        /// <summary>Listens for requests on a named channel.</summary>
        /// <typeparam name="TIn">What arrives: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <typeparam name="TOut">What is answered, in the same way.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="handler">
        /// Called for each request, on the library's threads, for several at once. It may block. If it throws, the caller gets
        /// <see cref="IpcStatus.HandlerFailed"/> with <c>TypeName: message</c>, or what a <see cref="HandlerException"/> says.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidName"/>, <see cref="IpcStatus.NoDirectory"/>,
        /// <see cref="IpcStatus.PathTooLong"/>, <see cref="IpcStatus.PathOccupied"/>,
        /// <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static IpcListener ListenUdsRequest<TIn, TOut>(
            string channel, Func<TIn, TOut> handler, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new RequestDispatcher<TIn, TOut>(handler, options), options);

        /// <inheritdoc cref="ListenUdsRequest{TIn, TOut}(string, Func{TIn, TOut}, IpcOptions)"/>
        public static IpcListener ListenUdsRequest<TIn, TOut>(
            string channel, Func<TIn, Task<TOut>> asyncHandler, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new RequestDispatcher<TIn, TOut>(asyncHandler, options), options);

        /// <inheritdoc cref="ListenUdsRequest{TIn, TOut}(string, Func{TIn, TOut}, IpcOptions)"/>
        public static IpcListener ListenUdsRequest<TIn, TOut>(
            string channel, Func<TIn, IpcContext, TOut> handler, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new RequestDispatcher<TIn, TOut>(handler, options), options);

        /// <inheritdoc cref="ListenUdsRequest{TIn, TOut}(string, Func{TIn, TOut}, IpcOptions)"/>
        public static IpcListener ListenUdsRequest<TIn, TOut>(
            string channel, Func<TIn, IpcContext, Task<TOut>> asyncHandler, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new RequestDispatcher<TIn, TOut>(asyncHandler, options), options);

        /// <summary>Listens for requests on a TCP port of 127.0.0.1.</summary>
        /// <typeparam name="TIn">What arrives: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <typeparam name="TOut">What is answered, in the same way.</typeparam>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="handler">
        /// Called for each request, on the library's threads, for several at once. It may block. If it throws, the caller gets
        /// <see cref="IpcStatus.HandlerFailed"/> with <c>TypeName: message</c>, or what a <see cref="HandlerException"/> says.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidPort"/>, <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static IpcListener ListenIpRequest<TIn, TOut>(
            int port, Func<TIn, TOut> handler, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new RequestDispatcher<TIn, TOut>(handler, options), options);

        /// <inheritdoc cref="ListenIpRequest{TIn, TOut}(int, Func{TIn, TOut}, IpcOptions)"/>
        public static IpcListener ListenIpRequest<TIn, TOut>(
            int port, Func<TIn, Task<TOut>> asyncHandler, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new RequestDispatcher<TIn, TOut>(asyncHandler, options), options);

        /// <inheritdoc cref="ListenIpRequest{TIn, TOut}(int, Func{TIn, TOut}, IpcOptions)"/>
        public static IpcListener ListenIpRequest<TIn, TOut>(
            int port, Func<TIn, IpcContext, TOut> handler, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new RequestDispatcher<TIn, TOut>(handler, options), options);

        /// <inheritdoc cref="ListenIpRequest{TIn, TOut}(int, Func{TIn, TOut}, IpcOptions)"/>
        public static IpcListener ListenIpRequest<TIn, TOut>(
            int port, Func<TIn, IpcContext, Task<TOut>> asyncHandler, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new RequestDispatcher<TIn, TOut>(asyncHandler, options), options);

        /// <summary>Listens for broadcasts on a named channel.</summary>
        /// <typeparam name="TIn">What arrives: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="handler">
        /// Called for each broadcast, on the library's threads; for those of one session one after another, also where it returns
        /// a task. It may block. What it throws goes to <see cref="IpcOptions.HandlerFailed"/>.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidName"/>, <see cref="IpcStatus.NoDirectory"/>,
        /// <see cref="IpcStatus.PathTooLong"/>, <see cref="IpcStatus.PathOccupied"/>,
        /// <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static IpcListener ListenUdsBroadcast<TIn>(
            string channel, Action<TIn> handler, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new BroadcastDispatcher<TIn>(handler, options), options);

        /// <inheritdoc cref="ListenUdsBroadcast{TIn}(string, Action{TIn}, IpcOptions)"/>
        public static IpcListener ListenUdsBroadcast<TIn>(
            string channel, Func<TIn, Task> asyncHandler, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new BroadcastDispatcher<TIn>(asyncHandler, options), options);

        /// <inheritdoc cref="ListenUdsBroadcast{TIn}(string, Action{TIn}, IpcOptions)"/>
        public static IpcListener ListenUdsBroadcast<TIn>(
            string channel, Action<TIn, IpcContext> handler, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new BroadcastDispatcher<TIn>(handler, options), options);

        /// <inheritdoc cref="ListenUdsBroadcast{TIn}(string, Action{TIn}, IpcOptions)"/>
        public static IpcListener ListenUdsBroadcast<TIn>(
            string channel, Func<TIn, IpcContext, Task> asyncHandler, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new BroadcastDispatcher<TIn>(asyncHandler, options), options);

        /// <summary>Listens for broadcasts on a TCP port of 127.0.0.1.</summary>
        /// <typeparam name="TIn">What arrives: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="handler">
        /// Called for each broadcast, on the library's threads; for those of one session one after another, also where it returns
        /// a task. It may block. What it throws goes to <see cref="IpcOptions.HandlerFailed"/>.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidPort"/>, <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static IpcListener ListenIpBroadcast<TIn>(
            int port, Action<TIn> handler, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new BroadcastDispatcher<TIn>(handler, options), options);

        /// <inheritdoc cref="ListenIpBroadcast{TIn}(int, Action{TIn}, IpcOptions)"/>
        public static IpcListener ListenIpBroadcast<TIn>(
            int port, Func<TIn, Task> asyncHandler, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new BroadcastDispatcher<TIn>(asyncHandler, options), options);

        /// <inheritdoc cref="ListenIpBroadcast{TIn}(int, Action{TIn}, IpcOptions)"/>
        public static IpcListener ListenIpBroadcast<TIn>(
            int port, Action<TIn, IpcContext> handler, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new BroadcastDispatcher<TIn>(handler, options), options);

        /// <inheritdoc cref="ListenIpBroadcast{TIn}(int, Action{TIn}, IpcOptions)"/>
        public static IpcListener ListenIpBroadcast<TIn>(
            int port, Func<TIn, IpcContext, Task> asyncHandler, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new BroadcastDispatcher<TIn>(asyncHandler, options), options);

        private static IpcListener Listen(Target target, Dispatcher dispatcher, IpcOptions? options)
        {
            Library.Ensure();
            dispatcher.Channel = target.ToString();
            using OptionsHandle native = IpcOptions.ToNative(options, dispatcher);
            using Borrowed borrowed = native.Borrow();
            int status = target.Listen(dispatcher, borrowed.Pointer, out IntPtr listener, out IntPtr error);
            Failure.Check(status, error);
            return new IpcListener(new ListenerHandle(listener), dispatcher, options);
        }
    }
}
