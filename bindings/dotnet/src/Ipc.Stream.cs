using System.Threading;
using SimpleIpc.Native;

namespace SimpleIpc
{
    public static partial class Ipc
    {
        /// <summary>Opens a stream to the handler of a named channel, and waits until its listener has accepted it.</summary>
        /// <typeparam name="TIn">What opens it: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <typeparam name="TOut">What the handler sends, in the same way.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="body">What opens it. Bytes must not change before the call has returned.</param>
        /// <param name="options">Null for the defaults. Of a stream, <see cref="IpcOptions.Timeout"/> is none unless it is set.</param>
        /// <param name="cancellationToken">
        /// Gives up opening, and cancels the stream at any time afterwards: then its calls throw an
        /// <see cref="System.OperationCanceledException"/>, and the handler is told at once.
        /// </param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.WrongMode"/>, <see cref="IpcStatus.HandlerFailed"/>,
        /// <see cref="IpcStatus.UnsupportedVersion"/> (the listener's library is too old for streams, or the wire has none),
        /// <see cref="IpcStatus.TimedOut"/> and others; <see cref="IpcException.MayHaveBeenHandled"/> tells whether opening again is safe.
        /// </exception>
        public static IpcStream<TOut> PostUdsStream<TIn, TOut>(
            string channel, TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            PostStream<TIn, TOut>(Target.Uds(channel), body, options, cancellationToken);

        /// <summary>As <see cref="PostUdsStream"/>, on a TCP port of 127.0.0.1.</summary>
        /// <typeparam name="TIn">What opens it: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <typeparam name="TOut">What the handler sends, in the same way.</typeparam>
        /// <param name="port">1 to 65535.</param>
        /// <param name="body">What opens it. Bytes must not change before the call has returned.</param>
        /// <param name="options">Null for the defaults. Of a stream, <see cref="IpcOptions.Timeout"/> is none unless it is set.</param>
        /// <param name="cancellationToken">As for <see cref="PostUdsStream"/>.</param>
        /// <exception cref="IpcException">As for <see cref="PostUdsStream"/>, and <see cref="IpcStatus.InvalidPort"/>.</exception>
        public static IpcStream<TOut> PostIpStream<TIn, TOut>(
            int port, TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            PostStream<TIn, TOut>(Target.Ip(port), body, options, cancellationToken);

        /// <summary>
        /// Begins a stream to the handler of a named channel, and returns at once. Whether it is accepted is
        /// told by the first item, or the first send.
        /// </summary>
        /// <typeparam name="TIn">What opens it: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <typeparam name="TOut">What the handler sends, in the same way.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="body">What opens it. Bytes must not change before the call has returned.</param>
        /// <param name="options">Null for the defaults. Of a stream, <see cref="IpcOptions.Timeout"/> is none unless it is set.</param>
        /// <param name="cancellationToken">
        /// Cancels the stream at any time: then its calls throw an <see cref="System.OperationCanceledException"/>, and the handler is
        /// told at once.
        /// </param>
        /// <exception cref="IpcException">
        /// Here, or out of its loop: as for <see cref="PostUdsStream"/>.
        /// </exception>
        public static IpcStream<TOut> PostUdsStreamAsync<TIn, TOut>(
            string channel, TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            BeginStream<TIn, TOut>(Target.Uds(channel), body, options, cancellationToken);

        /// <summary>As <see cref="PostUdsStreamAsync"/>, on a TCP port of 127.0.0.1.</summary>
        /// <typeparam name="TIn">What opens it: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <typeparam name="TOut">What the handler sends, in the same way.</typeparam>
        /// <param name="port">1 to 65535.</param>
        /// <param name="body">What opens it. Bytes must not change before the call has returned.</param>
        /// <param name="options">Null for the defaults. Of a stream, <see cref="IpcOptions.Timeout"/> is none unless it is set.</param>
        /// <param name="cancellationToken">As for <see cref="PostUdsStreamAsync"/>.</param>
        /// <exception cref="IpcException">As for <see cref="PostUdsStream"/>, and <see cref="IpcStatus.InvalidPort"/>.</exception>
        public static IpcStream<TOut> PostIpStreamAsync<TIn, TOut>(
            int port, TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            BeginStream<TIn, TOut>(Target.Ip(port), body, options, cancellationToken);

        private static IpcStream<TOut> PostStream<TIn, TOut>(Target target, TIn body, IpcOptions? options, CancellationToken token)
        {
            Library.Ensure();
            Outgoing outgoing = Body.From(body, options?.Json);
            return new IpcStream<TOut>(new ItemStream(Offload.Run(() => target.Stream(outgoing, options, true), token), token));
        }

        private static IpcStream<TOut> BeginStream<TIn, TOut>(Target target, TIn body, IpcOptions? options, CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            Library.Ensure();
            return new IpcStream<TOut>(new ItemStream(target.Stream(Body.From(body, options?.Json), options, false), token));
        }
    }
}
