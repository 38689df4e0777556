using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Native;

namespace SimpleIpc
{
    public static partial class Ipc
    {
        /// <summary>Sends a request to a named channel and waits for the reply.</summary>
        /// <typeparam name="TIn">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <typeparam name="TOut">What is answered, in the same way.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="body">What is sent. Bytes must not change before the call has returned.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">
        /// Cancels the call from another thread with an <see cref="System.OperationCanceledException"/>; the handler hears of it. The inner
        /// exception, if any, tells whether the message may have been handled. A token that is cancelled already sends nothing.
        /// </param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.TimedOut"/>, <see cref="IpcStatus.HandlerFailed"/>,
        /// <see cref="IpcStatus.ConnectionLost"/>, <see cref="IpcStatus.TooLarge"/>, <see cref="IpcStatus.WrongMode"/> and others;
        /// <see cref="IpcException.MayHaveBeenHandled"/> tells whether sending again is safe.
        /// </exception>
        public static TOut PostUdsRequest<TIn, TOut>(
            string channel, TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Target.Uds(channel).Request<TIn, TOut>(body, options, cancellationToken);

        /// <summary>Sends a request to a named channel and gives the reply.</summary>
        /// <typeparam name="TIn">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <typeparam name="TOut">What is answered, in the same way.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="body">What is sent. Bytes must not change before the call has returned its task.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">
        /// Cancels the call with an <see cref="System.OperationCanceledException"/>; the handler hears of it. The inner exception, if any,
        /// tells whether the message may have been handled. A token that is cancelled already sends nothing.
        /// </param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.TimedOut"/>, <see cref="IpcStatus.HandlerFailed"/>,
        /// <see cref="IpcStatus.ConnectionLost"/>, <see cref="IpcStatus.TooLarge"/>, <see cref="IpcStatus.WrongMode"/> and others;
        /// <see cref="IpcException.MayHaveBeenHandled"/> tells whether sending again is safe.
        /// </exception>
        public static Task<TOut> PostUdsRequestAsync<TIn, TOut>(
            string channel, TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Target.Uds(channel).RequestAsync<TIn, TOut>(body, options, cancellationToken);

        /// <summary>Sends a request to a TCP port of 127.0.0.1 and waits for the reply.</summary>
        /// <typeparam name="TIn">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <typeparam name="TOut">What is answered, in the same way.</typeparam>
        /// <param name="port">1 to 65535.</param>
        /// <param name="body">What is sent. Bytes must not change before the call has returned.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">
        /// Cancels the call from another thread with an <see cref="System.OperationCanceledException"/>; the handler hears of it. The inner
        /// exception, if any, tells whether the message may have been handled. A token that is cancelled already sends nothing.
        /// </param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.TimedOut"/>, <see cref="IpcStatus.HandlerFailed"/>,
        /// <see cref="IpcStatus.ConnectionLost"/>, <see cref="IpcStatus.TooLarge"/>, <see cref="IpcStatus.WrongMode"/> and others;
        /// <see cref="IpcException.MayHaveBeenHandled"/> tells whether sending again is safe.
        /// </exception>
        public static TOut PostIpRequest<TIn, TOut>(
            int port, TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Target.Ip(port).Request<TIn, TOut>(body, options, cancellationToken);

        /// <summary>Sends a request to a TCP port of 127.0.0.1 and gives the reply.</summary>
        /// <typeparam name="TIn">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <typeparam name="TOut">What is answered, in the same way.</typeparam>
        /// <param name="port">1 to 65535.</param>
        /// <param name="body">What is sent. Bytes must not change before the call has returned its task.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">
        /// Cancels the call with an <see cref="System.OperationCanceledException"/>; the handler hears of it. The inner exception, if any,
        /// tells whether the message may have been handled. A token that is cancelled already sends nothing.
        /// </param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.TimedOut"/>, <see cref="IpcStatus.HandlerFailed"/>,
        /// <see cref="IpcStatus.ConnectionLost"/>, <see cref="IpcStatus.TooLarge"/>, <see cref="IpcStatus.WrongMode"/> and others;
        /// <see cref="IpcException.MayHaveBeenHandled"/> tells whether sending again is safe.
        /// </exception>
        public static Task<TOut> PostIpRequestAsync<TIn, TOut>(
            int port, TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Target.Ip(port).RequestAsync<TIn, TOut>(body, options, cancellationToken);

        /// <summary>
        /// Sends a broadcast to a named channel. It returns when a listener has handed it to its handler (on the Deno wire:
        /// when a listener took it).
        /// </summary>
        /// <typeparam name="TIn">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="body">What is sent. Bytes must not change before the call has returned.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">
        /// Cancels the call from another thread with an <see cref="System.OperationCanceledException"/>; the handler hears of it. The inner
        /// exception, if any, tells whether the message may have been handled. A token that is cancelled already sends nothing.
        /// </param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.TimedOut"/>,
        /// <see cref="IpcStatus.ConnectionLost"/>, <see cref="IpcStatus.TooLarge"/>, <see cref="IpcStatus.WrongMode"/> and others;
        /// <see cref="IpcException.MayHaveBeenHandled"/> tells whether sending again is safe.
        /// </exception>
        public static void PostUdsBroadcast<TIn>(
            string channel, TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Target.Uds(channel).Broadcast<TIn>(body, options, cancellationToken);

        /// <summary>
        /// Sends a broadcast to a named channel. It ends when a listener has handed it to its handler (on the Deno wire:
        /// when a listener took it).
        /// </summary>
        /// <typeparam name="TIn">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="body">What is sent. Bytes must not change before the call has returned its task.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">
        /// Cancels the call with an <see cref="System.OperationCanceledException"/>; the handler hears of it. The inner exception, if any,
        /// tells whether the message may have been handled. A token that is cancelled already sends nothing.
        /// </param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.TimedOut"/>,
        /// <see cref="IpcStatus.ConnectionLost"/>, <see cref="IpcStatus.TooLarge"/>, <see cref="IpcStatus.WrongMode"/> and others;
        /// <see cref="IpcException.MayHaveBeenHandled"/> tells whether sending again is safe.
        /// </exception>
        public static Task PostUdsBroadcastAsync<TIn>(
            string channel, TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Target.Uds(channel).BroadcastAsync<TIn>(body, options, cancellationToken);

        /// <summary>
        /// Sends a broadcast to a TCP port of 127.0.0.1. It returns when a listener has handed it to its handler (on the Deno wire:
        /// when a listener took it).
        /// </summary>
        /// <typeparam name="TIn">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <param name="port">1 to 65535.</param>
        /// <param name="body">What is sent. Bytes must not change before the call has returned.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">
        /// Cancels the call from another thread with an <see cref="System.OperationCanceledException"/>; the handler hears of it. The inner
        /// exception, if any, tells whether the message may have been handled. A token that is cancelled already sends nothing.
        /// </param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.TimedOut"/>,
        /// <see cref="IpcStatus.ConnectionLost"/>, <see cref="IpcStatus.TooLarge"/>, <see cref="IpcStatus.WrongMode"/> and others;
        /// <see cref="IpcException.MayHaveBeenHandled"/> tells whether sending again is safe.
        /// </exception>
        public static void PostIpBroadcast<TIn>(
            int port, TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Target.Ip(port).Broadcast<TIn>(body, options, cancellationToken);

        /// <summary>
        /// Sends a broadcast to a TCP port of 127.0.0.1. It ends when a listener has handed it to its handler (on the Deno wire:
        /// when a listener took it).
        /// </summary>
        /// <typeparam name="TIn">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <param name="port">1 to 65535.</param>
        /// <param name="body">What is sent. Bytes must not change before the call has returned its task.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">
        /// Cancels the call with an <see cref="System.OperationCanceledException"/>; the handler hears of it. The inner exception, if any,
        /// tells whether the message may have been handled. A token that is cancelled already sends nothing.
        /// </param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.TimedOut"/>,
        /// <see cref="IpcStatus.ConnectionLost"/>, <see cref="IpcStatus.TooLarge"/>, <see cref="IpcStatus.WrongMode"/> and others;
        /// <see cref="IpcException.MayHaveBeenHandled"/> tells whether sending again is safe.
        /// </exception>
        public static Task PostIpBroadcastAsync<TIn>(
            int port, TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Target.Ip(port).BroadcastAsync<TIn>(body, options, cancellationToken);
    }
}
