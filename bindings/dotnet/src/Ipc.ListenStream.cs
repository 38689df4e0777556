using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Native;

namespace SimpleIpc
{
    public static partial class Ipc
    {
        /// <summary>
        /// Listens for streams on a named channel, each of which is answered with an asynchronous sequence. A plain request is refused with
        /// <see cref="IpcStatus.WrongMode"/>.
        /// </summary>
        /// <typeparam name="TIn">What opens a stream: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <typeparam name="TOut">What the items are, in the same way.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="sequence">
        /// Called for each stream, on the library's threads, for several at once. Its items are sent as the caller takes them; no
        /// thread is held while it waits for room, or for its own tasks. Where the caller leaves, the token that the sequence is
        /// given (<c>[EnumeratorCancellation]</c>, and <see cref="IpcContext.CancellationToken"/>) is cancelled, and its
        /// <c>DisposeAsync</c>, so also its <c>finally</c>, comes at once if it waits at a <c>yield return</c>, else when what it
        /// awaits has ended. If it throws, the caller gets the items before, then <see cref="IpcStatus.HandlerFailed"/> with
        /// <c>TypeName: message</c>, or what a <see cref="HandlerException"/> says.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidName"/>, <see cref="IpcStatus.NoDirectory"/>,
        /// <see cref="IpcStatus.PathTooLong"/>, <see cref="IpcStatus.PathOccupied"/>,
        /// <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static IpcListener ListenUdsRequest<TIn, TOut>(
            string channel, Func<TIn, IAsyncEnumerable<TOut>> sequence, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new SequenceDispatcher<TIn, TOut>(sequence, options), options);

        /// <inheritdoc cref="ListenUdsRequest{TIn, TOut}(string, Func{TIn, IAsyncEnumerable{TOut}}, IpcOptions)"/>
        public static IpcListener ListenUdsRequest<TIn, TOut>(
            string channel, Func<TIn, IpcContext, IAsyncEnumerable<TOut>> sequence, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new SequenceDispatcher<TIn, TOut>(sequence, options), options);

        /// <summary>
        /// Listens for streams on a TCP port of 127.0.0.1, each of which is answered with an asynchronous sequence. A plain request is refused with
        /// <see cref="IpcStatus.WrongMode"/>.
        /// </summary>
        /// <typeparam name="TIn">What opens a stream: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <typeparam name="TOut">What the items are, in the same way.</typeparam>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="sequence">
        /// Called for each stream, on the library's threads, for several at once. Its items are sent as the caller takes them; no
        /// thread is held while it waits for room, or for its own tasks. Where the caller leaves, the token that the sequence is
        /// given (<c>[EnumeratorCancellation]</c>, and <see cref="IpcContext.CancellationToken"/>) is cancelled, and its
        /// <c>DisposeAsync</c>, so also its <c>finally</c>, comes at once if it waits at a <c>yield return</c>, else when what it
        /// awaits has ended. If it throws, the caller gets the items before, then <see cref="IpcStatus.HandlerFailed"/> with
        /// <c>TypeName: message</c>, or what a <see cref="HandlerException"/> says.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidPort"/>, <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static IpcListener ListenIpRequest<TIn, TOut>(
            int port, Func<TIn, IAsyncEnumerable<TOut>> sequence, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new SequenceDispatcher<TIn, TOut>(sequence, options), options);

        /// <inheritdoc cref="ListenIpRequest{TIn, TOut}(int, Func{TIn, IAsyncEnumerable{TOut}}, IpcOptions)"/>
        public static IpcListener ListenIpRequest<TIn, TOut>(
            int port, Func<TIn, IpcContext, IAsyncEnumerable<TOut>> sequence, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new SequenceDispatcher<TIn, TOut>(sequence, options), options);

        /// <summary>
        /// Listens for streams on a named channel, each of which is answered with a sequence. A plain request is refused with
        /// <see cref="IpcStatus.WrongMode"/>.
        /// </summary>
        /// <typeparam name="TIn">What opens a stream: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <typeparam name="TOut">What the items are, in the same way.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="sequence">
        /// Called for each stream, on the library's threads, for several at once. Its items are sent as the caller takes them; it
        /// holds its thread until its end. Where the caller leaves, its <c>Dispose</c>, so also its <c>finally</c>, comes at once
        /// if it waits at a <c>yield return</c> or for the caller's items, else at the next one. If it throws, the caller gets the
        /// items before, then <see cref="IpcStatus.HandlerFailed"/> with <c>TypeName: message</c>, or what a
        /// <see cref="HandlerException"/> says.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidName"/>, <see cref="IpcStatus.NoDirectory"/>,
        /// <see cref="IpcStatus.PathTooLong"/>, <see cref="IpcStatus.PathOccupied"/>,
        /// <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static IpcListener ListenUdsStream<TIn, TOut>(
            string channel, Func<TIn, IEnumerable<TOut>> sequence, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new SequenceDispatcher<TIn, TOut>(sequence, options), options);

        /// <inheritdoc cref="ListenUdsStream{TIn, TOut}(string, Func{TIn, IEnumerable{TOut}}, IpcOptions)"/>
        public static IpcListener ListenUdsStream<TIn, TOut>(
            string channel, Func<TIn, IpcContext, IEnumerable<TOut>> sequence, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new SequenceDispatcher<TIn, TOut>(sequence, options), options);

        /// <summary>
        /// Listens for streams on a TCP port of 127.0.0.1, each of which is answered with a sequence. A plain request is refused with
        /// <see cref="IpcStatus.WrongMode"/>.
        /// </summary>
        /// <typeparam name="TIn">What opens a stream: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <typeparam name="TOut">What the items are, in the same way.</typeparam>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="sequence">
        /// Called for each stream, on the library's threads, for several at once. Its items are sent as the caller takes them; it
        /// holds its thread until its end. Where the caller leaves, its <c>Dispose</c>, so also its <c>finally</c>, comes at once
        /// if it waits at a <c>yield return</c> or for the caller's items, else at the next one. If it throws, the caller gets the
        /// items before, then <see cref="IpcStatus.HandlerFailed"/> with <c>TypeName: message</c>, or what a
        /// <see cref="HandlerException"/> says.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidPort"/>, <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static IpcListener ListenIpStream<TIn, TOut>(
            int port, Func<TIn, IEnumerable<TOut>> sequence, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new SequenceDispatcher<TIn, TOut>(sequence, options), options);

        /// <inheritdoc cref="ListenIpStream{TIn, TOut}(int, Func{TIn, IEnumerable{TOut}}, IpcOptions)"/>
        public static IpcListener ListenIpStream<TIn, TOut>(
            int port, Func<TIn, IpcContext, IEnumerable<TOut>> sequence, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new SequenceDispatcher<TIn, TOut>(sequence, options), options);

        /// <summary>
        /// Listens for streams on a named channel, each of which is answered with an asynchronous sequence, without holding a thread of the caller's meanwhile. A plain request is refused with
        /// <see cref="IpcStatus.WrongMode"/>.
        /// </summary>
        /// <typeparam name="TIn">What opens a stream: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <typeparam name="TOut">What the items are, in the same way.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="sequence">
        /// Called for each stream, on the library's threads, for several at once. Its items are sent as the caller takes them; no
        /// thread is held while it waits for room, or for its own tasks. Where the caller leaves, the token that the sequence is
        /// given (<c>[EnumeratorCancellation]</c>, and <see cref="IpcContext.CancellationToken"/>) is cancelled, and its
        /// <c>DisposeAsync</c>, so also its <c>finally</c>, comes at once if it waits at a <c>yield return</c>, else when what it
        /// awaits has ended. If it throws, the caller gets the items before, then <see cref="IpcStatus.HandlerFailed"/> with
        /// <c>TypeName: message</c>, or what a <see cref="HandlerException"/> says.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidName"/>, <see cref="IpcStatus.NoDirectory"/>,
        /// <see cref="IpcStatus.PathTooLong"/>, <see cref="IpcStatus.PathOccupied"/>,
        /// <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static Task<IpcListener> ListenUdsRequestAsync<TIn, TOut>(
            string channel, Func<TIn, IAsyncEnumerable<TOut>> sequence, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new SequenceDispatcher<TIn, TOut>(sequence, options), options, cancellationToken);

        /// <inheritdoc cref="ListenUdsRequestAsync{TIn, TOut}(string, Func{TIn, IAsyncEnumerable{TOut}}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenUdsRequestAsync<TIn, TOut>(
            string channel, Func<TIn, IpcContext, IAsyncEnumerable<TOut>> sequence, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new SequenceDispatcher<TIn, TOut>(sequence, options), options, cancellationToken);

        /// <summary>
        /// Listens for streams on a TCP port of 127.0.0.1, each of which is answered with an asynchronous sequence, without holding a thread of the caller's meanwhile. A plain request is refused with
        /// <see cref="IpcStatus.WrongMode"/>.
        /// </summary>
        /// <typeparam name="TIn">What opens a stream: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <typeparam name="TOut">What the items are, in the same way.</typeparam>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="sequence">
        /// Called for each stream, on the library's threads, for several at once. Its items are sent as the caller takes them; no
        /// thread is held while it waits for room, or for its own tasks. Where the caller leaves, the token that the sequence is
        /// given (<c>[EnumeratorCancellation]</c>, and <see cref="IpcContext.CancellationToken"/>) is cancelled, and its
        /// <c>DisposeAsync</c>, so also its <c>finally</c>, comes at once if it waits at a <c>yield return</c>, else when what it
        /// awaits has ended. If it throws, the caller gets the items before, then <see cref="IpcStatus.HandlerFailed"/> with
        /// <c>TypeName: message</c>, or what a <see cref="HandlerException"/> says.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidPort"/>, <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static Task<IpcListener> ListenIpRequestAsync<TIn, TOut>(
            int port, Func<TIn, IAsyncEnumerable<TOut>> sequence, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new SequenceDispatcher<TIn, TOut>(sequence, options), options, cancellationToken);

        /// <inheritdoc cref="ListenIpRequestAsync{TIn, TOut}(int, Func{TIn, IAsyncEnumerable{TOut}}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenIpRequestAsync<TIn, TOut>(
            int port, Func<TIn, IpcContext, IAsyncEnumerable<TOut>> sequence, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new SequenceDispatcher<TIn, TOut>(sequence, options), options, cancellationToken);

        /// <summary>
        /// Listens for streams on a named channel, each of which is answered with a sequence, without holding a thread of the caller's meanwhile. A plain request is refused with
        /// <see cref="IpcStatus.WrongMode"/>.
        /// </summary>
        /// <typeparam name="TIn">What opens a stream: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <typeparam name="TOut">What the items are, in the same way.</typeparam>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="sequence">
        /// Called for each stream, on the library's threads, for several at once. Its items are sent as the caller takes them; it
        /// holds its thread until its end. Where the caller leaves, its <c>Dispose</c>, so also its <c>finally</c>, comes at once
        /// if it waits at a <c>yield return</c> or for the caller's items, else at the next one. If it throws, the caller gets the
        /// items before, then <see cref="IpcStatus.HandlerFailed"/> with <c>TypeName: message</c>, or what a
        /// <see cref="HandlerException"/> says.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidName"/>, <see cref="IpcStatus.NoDirectory"/>,
        /// <see cref="IpcStatus.PathTooLong"/>, <see cref="IpcStatus.PathOccupied"/>,
        /// <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static Task<IpcListener> ListenUdsStreamAsync<TIn, TOut>(
            string channel, Func<TIn, IEnumerable<TOut>> sequence, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new SequenceDispatcher<TIn, TOut>(sequence, options), options, cancellationToken);

        /// <inheritdoc cref="ListenUdsStreamAsync{TIn, TOut}(string, Func{TIn, IEnumerable{TOut}}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenUdsStreamAsync<TIn, TOut>(
            string channel, Func<TIn, IpcContext, IEnumerable<TOut>> sequence, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new SequenceDispatcher<TIn, TOut>(sequence, options), options, cancellationToken);

        /// <summary>
        /// Listens for streams on a TCP port of 127.0.0.1, each of which is answered with a sequence, without holding a thread of the caller's meanwhile. A plain request is refused with
        /// <see cref="IpcStatus.WrongMode"/>.
        /// </summary>
        /// <typeparam name="TIn">What opens a stream: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes of JSON.</typeparam>
        /// <typeparam name="TOut">What the items are, in the same way.</typeparam>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="sequence">
        /// Called for each stream, on the library's threads, for several at once. Its items are sent as the caller takes them; it
        /// holds its thread until its end. Where the caller leaves, its <c>Dispose</c>, so also its <c>finally</c>, comes at once
        /// if it waits at a <c>yield return</c> or for the caller's items, else at the next one. If it throws, the caller gets the
        /// items before, then <see cref="IpcStatus.HandlerFailed"/> with <c>TypeName: message</c>, or what a
        /// <see cref="HandlerException"/> says.
        /// </param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.InUse"/>, <see cref="IpcStatus.InvalidPort"/>, <see cref="IpcStatus.PermissionDenied"/>.
        /// </exception>
        public static Task<IpcListener> ListenIpStreamAsync<TIn, TOut>(
            int port, Func<TIn, IEnumerable<TOut>> sequence, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new SequenceDispatcher<TIn, TOut>(sequence, options), options, cancellationToken);

        /// <inheritdoc cref="ListenIpStreamAsync{TIn, TOut}(int, Func{TIn, IEnumerable{TOut}}, IpcOptions, System.Threading.CancellationToken)"/>
        public static Task<IpcListener> ListenIpStreamAsync<TIn, TOut>(
            int port, Func<TIn, IpcContext, IEnumerable<TOut>> sequence, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new SequenceDispatcher<TIn, TOut>(sequence, options), options, cancellationToken);
    }
}
