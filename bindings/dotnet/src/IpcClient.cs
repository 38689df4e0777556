using System;
using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Native;

namespace SimpleIpc
{
    /// <summary>
    /// One channel kept open, faster than single posts for many messages. Any number of threads may use it at once. Calls
    /// in blocking form and in <c>…Async</c> form may be mixed; there is no order between those two kinds, and between
    /// asynchronous calls only where one is awaited before the next.
    /// </summary>
    public sealed class IpcClient : IDisposable, IAsyncDisposable
    {
        private readonly ClientHandle handle;
        private readonly System.Text.Json.JsonSerializerOptions? json;

        private IpcClient(IntPtr pointer, IpcOptions? options)
        {
            handle = new ClientHandle(pointer);
            json = options?.Json;
        }

        /// <summary>Opens a named channel to send on.</summary>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.PermissionDenied"/>, <see cref="IpcStatus.PeerNotAllowed"/>.
        /// </exception>
        public static unsafe IpcClient ConnectUds(string channel, IpcOptions? options = null)
        {
            Library.Ensure();
            using OptionsHandle? native = IpcOptions.ToNative(options);
            using Borrowed borrowed = Borrowed.Of(native);
            fixed (byte* name = Text.ToNative(channel, nameof(channel), IpcStatus.InvalidName))
            {
                int status = NativeMethods.sipc_client_connect_uds(name, borrowed.Pointer, out IntPtr client, out IntPtr error);
                Failure.Check(status, error);
                return new IpcClient(client, options);
            }
        }

        /// <summary>Opens a TCP port of 127.0.0.1 to send on.</summary>
        /// <param name="port">1 to 65535.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">As for <see cref="ConnectUds"/>, and <see cref="IpcStatus.InvalidPort"/>.</exception>
        public static IpcClient ConnectIp(int port, IpcOptions? options = null)
        {
            Library.Ensure();
            using OptionsHandle? native = IpcOptions.ToNative(options);
            using Borrowed borrowed = Borrowed.Of(native);
            int status = NativeMethods.sipc_client_connect_ip(
                unchecked((uint)port), borrowed.Pointer, out IntPtr client, out IntPtr error);
            Failure.Check(status, error);
            return new IpcClient(client, options);
        }

        /// <summary>Opens the Unix socket at a path to send on.</summary>
        /// <param name="path">At most 107 bytes in UTF-8.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">As for <see cref="ConnectUds"/>, and <see cref="IpcStatus.PathTooLong"/>.</exception>
        public static unsafe IpcClient ConnectPath(string path, IpcOptions? options = null)
        {
            Library.Ensure();
            using OptionsHandle? native = IpcOptions.ToNative(options);
            using Borrowed borrowed = Borrowed.Of(native);
            fixed (byte* name = Text.ToNative(path, nameof(path), IpcStatus.InvalidArgument))
            {
                int status = NativeMethods.sipc_client_connect_path(name, borrowed.Pointer, out IntPtr client, out IntPtr error);
                Failure.Check(status, error);
                return new IpcClient(client, options);
            }
        }

        /// <summary>As <see cref="ConnectUds"/>, without holding a thread of the caller's.</summary>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up connecting.</param>
        public static Task<IpcClient> ConnectUdsAsync(
            string channel, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Offload.RunAsync(() => ConnectUds(channel, options), cancellationToken);

        /// <summary>As <see cref="ConnectIp"/>, without holding a thread of the caller's.</summary>
        /// <param name="port">1 to 65535.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up connecting.</param>
        public static Task<IpcClient> ConnectIpAsync(
            int port, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Offload.RunAsync(() => ConnectIp(port, options), cancellationToken);

        /// <summary>As <see cref="ConnectPath"/>, without holding a thread of the caller's.</summary>
        /// <param name="path">At most 107 bytes in UTF-8.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up connecting.</param>
        public static Task<IpcClient> ConnectPathAsync(
            string path, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Offload.RunAsync(() => ConnectPath(path, options), cancellationToken);

        /// <summary>Sends a request and waits for the reply.</summary>
        /// <typeparam name="TIn">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <typeparam name="TOut">What is answered, in the same way.</typeparam>
        /// <param name="body">What is sent.</param>
        /// <param name="timeout">This call's timeout; null for the one that the client was opened with.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.TimedOut"/>, <see cref="IpcStatus.HandlerFailed"/>, <see cref="IpcStatus.ConnectionLost"/>,
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.TooLarge"/>, <see cref="IpcStatus.Closed"/>;
        /// <see cref="IpcException.MayHaveBeenHandled"/> tells whether sending again is safe.
        /// </exception>
        public unsafe TOut Request<TIn, TOut>(TIn body, TimeSpan? timeout = null)
        {
            Outgoing outgoing = Body.From(body, json);
            using var client = handle.Borrow();
            using OptionsHandle? native = IpcOptions.ToNative(timeout);
            using Borrowed borrowed = Borrowed.Of(native);
            fixed (byte* data = outgoing.Data.Span)
            {
                int status = NativeMethods.sipc_client_request(
                    client.Pointer, outgoing.Native(data), borrowed.Pointer, out IntPtr reply, out IntPtr error);
                Failure.Check(status, error);
                return Body.Take<TOut>(reply, json);
            }
        }

        /// <summary>Sends a request and gives the reply. Any number may be under way at once.</summary>
        /// <typeparam name="TIn">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <typeparam name="TOut">What is answered, in the same way.</typeparam>
        /// <param name="body">What is sent.</param>
        /// <param name="timeout">This call's timeout; null for the one that the client was opened with.</param>
        /// <param name="cancellationToken">Cancels the call; the handler hears of it.</param>
        /// <exception cref="IpcException">As for <see cref="Request"/>.</exception>
        public async Task<TOut> RequestAsync<TIn, TOut>(
            TIn body, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Outgoing outgoing = Body.From(body, json);
            using MessageHandle? reply = await Call.RunAsync(
                (Call call, out IntPtr operation, out IntPtr error) =>
                    StartRequest(outgoing, timeout, call, out operation, out error),
                cancellationToken).ConfigureAwait(false);
            return reply!.Read<TOut>(json);
        }

        /// <summary>
        /// Sends a broadcast. It returns when it was sent; <see cref="Flush"/> waits until it, and all before it, have
        /// reached the handler.
        /// </summary>
        /// <typeparam name="TIn">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <param name="body">What is sent.</param>
        public unsafe void Broadcast<TIn>(TIn body)
        {
            Outgoing outgoing = Body.From(body, json);
            using var client = handle.Borrow();
            fixed (byte* data = outgoing.Data.Span)
            {
                int status = NativeMethods.sipc_client_broadcast(client.Pointer, outgoing.Native(data), out IntPtr error);
                Failure.Check(status, error);
            }
        }

        /// <summary>As <see cref="Broadcast"/>, without holding a thread.</summary>
        /// <typeparam name="TIn">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <param name="body">What is sent.</param>
        /// <param name="cancellationToken">Cancels the call; the message may have been sent.</param>
        public async Task BroadcastAsync<TIn>(TIn body, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Outgoing outgoing = Body.From(body, json);
            await Call.RunAsync(
                (Call call, out IntPtr operation, out IntPtr error) =>
                    StartBroadcast(outgoing, call, out operation, out error),
                cancellationToken).ConfigureAwait(false);
        }

        /// <summary>Waits until all broadcasts sent so far have been handed to the listener's handler.</summary>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.WrongMode"/> (a request listener was sent broadcasts), <see cref="IpcStatus.TimedOut"/>,
        /// <see cref="IpcStatus.ConnectionLost"/>: then some may not have got there.
        /// </exception>
        public void Flush()
        {
            using var client = handle.Borrow();
            int status = NativeMethods.sipc_client_flush(client.Pointer, out IntPtr error);
            Failure.Check(status, error);
        }

        /// <summary>As <see cref="Flush"/>, without holding a thread of the caller's.</summary>
        /// <param name="cancellationToken">Gives up waiting; the broadcasts go on.</param>
        public Task FlushAsync(CancellationToken cancellationToken = default) => Offload.RunAsync(Flush, cancellationToken);

        /// <summary>Asks the listener for a sign of life, and gives the length of the round trip. No handler is involved.</summary>
        public TimeSpan Ping()
        {
            using var client = handle.Borrow();
            int status = NativeMethods.sipc_client_ping(client.Pointer, out ulong nanoseconds, out IntPtr error);
            Failure.Check(status, error);
            // A tick is 100 ns.
            return TimeSpan.FromTicks((long)(nanoseconds / 100));
        }

        /// <summary>As <see cref="Ping"/>, without holding a thread of the caller's.</summary>
        /// <param name="cancellationToken">Gives up waiting.</param>
        public Task<TimeSpan> PingAsync(CancellationToken cancellationToken = default) =>
            Offload.RunAsync(Ping, cancellationToken);

        /// <summary>
        /// Waits as <see cref="Flush"/> does, then closes the connection, whatever comes of it. Closing again does nothing;
        /// sending afterwards fails with <see cref="IpcStatus.Closed"/>.
        /// </summary>
        public void Close()
        {
            if (handle.IsClosed)
            {
                return;
            }
            using var client = handle.Borrow();
            int status = NativeMethods.sipc_client_close(client.Pointer, out IntPtr error);
            Failure.Check(status, error);
        }

        /// <summary>As <see cref="Close"/>, without holding a thread of the caller's.</summary>
        /// <param name="cancellationToken">Gives up waiting; the client closes all the same.</param>
        public Task CloseAsync(CancellationToken cancellationToken = default) => Offload.RunAsync(Close, cancellationToken);

        /// <summary>
        /// Lets go of the client without waiting and without an error: what has been sent goes out, and who needs to know
        /// that it arrived calls <see cref="Close"/> before. Calls that are under way go on.
        /// </summary>
        public void Dispose() => handle.Dispose();

        /// <summary>As <see cref="Dispose"/>, which does not wait.</summary>
        public ValueTask DisposeAsync()
        {
            handle.Dispose();
            return default;
        }

        private unsafe int StartRequest(
            in Outgoing outgoing, TimeSpan? timeout, Call call,
            out IntPtr operation, out IntPtr error)
        {
            using var client = handle.Borrow();
            using OptionsHandle? native = IpcOptions.ToNative(timeout);
            using Borrowed borrowed = Borrowed.Of(native);
            fixed (byte* data = outgoing.Data.Span)
            {
                return NativeMethods.sipc_client_request_async(
                    client.Pointer, outgoing.Native(data), borrowed.Pointer, Call.Callback, Dispatcher.Hold(call), Dispatcher.Drop, out operation, out error);
            }
        }

        private unsafe int StartBroadcast(
            in Outgoing outgoing, Call call, out IntPtr operation, out IntPtr error)
        {
            using var client = handle.Borrow();
            fixed (byte* data = outgoing.Data.Span)
            {
                return NativeMethods.sipc_client_broadcast_async(
                    client.Pointer, outgoing.Native(data), Call.Callback, Dispatcher.Hold(call), Dispatcher.Drop, out operation, out error);
            }
        }
    }
}
