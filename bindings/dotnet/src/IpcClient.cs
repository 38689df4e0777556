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

        // How many calls are under way: they are ended when the client is disposed of. Either the disposing thread sees a call,
        // or that call sees that the client is disposed of: each writes its own with a full fence before it reads the other's.
        private int calls;
        private int disposed;

        private IpcClient(IntPtr pointer, IpcOptions? options)
        {
            handle = new ClientHandle(pointer);
            json = options?.Json;
        }

        /// <summary>Opens a named channel to send on.</summary>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up connecting, from another thread.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.PermissionDenied"/>, <see cref="IpcStatus.PeerNotAllowed"/>.
        /// </exception>
        public static IpcClient ConnectUds(string channel, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Offload.Run(() => ConnectUdsHere(channel, options), cancellationToken);

        /// <summary>Opens a TCP port of 127.0.0.1 to send on.</summary>
        /// <param name="port">1 to 65535.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up connecting, from another thread.</param>
        /// <exception cref="IpcException">As for <see cref="ConnectUds"/>, and <see cref="IpcStatus.InvalidPort"/>.</exception>
        public static IpcClient ConnectIp(int port, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Offload.Run(() => ConnectIpHere(port, options), cancellationToken);

        /// <summary>Opens the Unix socket at a path to send on.</summary>
        /// <param name="path">At most 107 bytes in UTF-8.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up connecting, from another thread.</param>
        /// <exception cref="IpcException">As for <see cref="ConnectUds"/>, and <see cref="IpcStatus.PathTooLong"/>.</exception>
        public static IpcClient ConnectPath(string path, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Offload.Run(() => ConnectPathHere(path, options), cancellationToken);

        /// <summary>As <see cref="ConnectUds"/>, without holding a thread of the caller's.</summary>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up connecting.</param>
        public static Task<IpcClient> ConnectUdsAsync(
            string channel, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Offload.RunAsync(() => ConnectUdsHere(channel, options), cancellationToken);

        /// <summary>As <see cref="ConnectIp"/>, without holding a thread of the caller's.</summary>
        /// <param name="port">1 to 65535.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up connecting.</param>
        public static Task<IpcClient> ConnectIpAsync(
            int port, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Offload.RunAsync(() => ConnectIpHere(port, options), cancellationToken);

        /// <summary>As <see cref="ConnectPath"/>, without holding a thread of the caller's.</summary>
        /// <param name="path">At most 107 bytes in UTF-8.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up connecting.</param>
        public static Task<IpcClient> ConnectPathAsync(
            string path, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            Offload.RunAsync(() => ConnectPathHere(path, options), cancellationToken);

        /// <summary>Sends a request and waits for the reply.</summary>
        /// <typeparam name="TIn">What is sent: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <typeparam name="TOut">What is answered, in the same way.</typeparam>
        /// <param name="body">What is sent.</param>
        /// <param name="timeout">This call's timeout; null for the one that the client was opened with.</param>
        /// <param name="cancellationToken">Cancels the call from another thread; the handler hears of it.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.TimedOut"/>, <see cref="IpcStatus.HandlerFailed"/>, <see cref="IpcStatus.ConnectionLost"/>,
        /// <see cref="IpcStatus.NotListening"/>, <see cref="IpcStatus.TooLarge"/>, <see cref="IpcStatus.Closed"/>,
        /// <see cref="IpcStatus.Cancelled"/> where the client is closed meanwhile;
        /// <see cref="IpcException.MayHaveBeenHandled"/> tells whether sending again is safe.
        /// </exception>
        public unsafe TOut Request<TIn, TOut>(TIn body, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Outgoing outgoing = Body.From(body, json);
            using var call = new UnderWay(this);
            if (cancellationToken.CanBeCanceled)
            {
                return RequestCancellable<TOut>(outgoing, timeout, cancellationToken);
            }
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
            using var call = new UnderWay(this);
            if (cancellationToken.CanBeCanceled)
            {
                return await RequestCancellableAsync<TOut>(outgoing, timeout, cancellationToken).ConfigureAwait(false);
            }
            return Body.Take<TOut>(await BeginRequest(outgoing, timeout).Outcome.ConfigureAwait(false), json);
        }

        /// <summary>
        /// Calls a function of a listener that has <see cref="IpcMethods"/>: <c>client.Call&lt;int&gt;("add", 1, 2)</c>. The same
        /// as a request with <c>new { method = "add", @params = new[] { 1, 2 } }</c>, which takes a timeout and a token, and
        /// parameters by name.
        /// </summary>
        /// <typeparam name="TOut">What is answered.</typeparam>
        /// <param name="method">The function's name.</param>
        /// <param name="parameters">What it is called with, each as System.Text.Json makes JSON of it.</param>
        /// <exception cref="IpcException">As for <see cref="Request"/>.</exception>
        public TOut Call<TOut>(string method, params object?[] parameters) =>
            Request<IpcMessage, TOut>(IpcMethods.Message(method, parameters ?? new object?[] { null }, json));

        /// <inheritdoc cref="Call{TOut}(string, object[])"/>
        public async Task<TOut> CallAsync<TOut>(string method, params object?[] parameters) =>
            await RequestAsync<IpcMessage, TOut>(IpcMethods.Message(method, parameters ?? new object?[] { null }, json)).ConfigureAwait(false);

        /// <summary>
        /// Opens a stream to the listener's handler, and waits until it has accepted it. Each stream has a connection of its own, so
        /// that a slow one holds up nothing else; it goes on when the client is closed.
        /// </summary>
        /// <typeparam name="TIn">What opens it: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <typeparam name="TOut">What the handler sends, in the same way.</typeparam>
        /// <param name="body">What opens it. Bytes must not change before the call has returned.</param>
        /// <param name="options">
        /// <see cref="IpcOptions.Timeout"/>, of the whole stream and none unless it is set, and <see cref="IpcOptions.IdleTimeout"/>;
        /// null for those that the client was opened with.
        /// </param>
        /// <param name="cancellationToken">
        /// Gives up opening, and cancels the stream at any time afterwards: then its calls throw an
        /// <see cref="OperationCanceledException"/>, and the handler is told at once.
        /// </param>
        /// <exception cref="IpcException">As for <see cref="Ipc.PostUdsStream"/>, and <see cref="IpcStatus.Closed"/>.</exception>
        public IpcStream<TOut> Stream<TIn, TOut>(TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default)
        {
            Outgoing outgoing = Body.From(body, json);
            return new IpcStream<TOut>(new ItemStream(Offload.Run(() => StreamHere(outgoing, options, true), cancellationToken), cancellationToken));
        }

        /// <summary>As <see cref="Stream"/>, and returns at once. Whether it is accepted is told by the first item, or the first send.</summary>
        /// <typeparam name="TIn">What opens it: bytes, an <see cref="IpcMessage"/>, or what System.Text.Json makes JSON of.</typeparam>
        /// <typeparam name="TOut">What the handler sends, in the same way.</typeparam>
        /// <param name="body">What opens it. Bytes must not change before the call has returned.</param>
        /// <param name="options">As for <see cref="Stream"/>.</param>
        /// <param name="cancellationToken">
        /// Cancels the stream at any time: then its calls throw an <see cref="OperationCanceledException"/>, and the handler is told at
        /// once.
        /// </param>
        /// <exception cref="IpcException">Here, or out of its loop: as for <see cref="Stream"/>.</exception>
        public IpcStream<TOut> StreamAsync<TIn, TOut>(TIn body, IpcOptions? options = null, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return new IpcStream<TOut>(new ItemStream(StreamHere(Body.From(body, json), options, false), cancellationToken));
        }

        /// <summary>
        /// Sends a broadcast. It returns when it was sent; <see cref="Flush(CancellationToken)"/> waits until it, and all before
        /// it, have reached the handler.
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
            using var call = new UnderWay(this);
            await Native.Call.RunAsync(
                (Call started, out IntPtr operation, out IntPtr error) =>
                    StartBroadcast(outgoing, started, out operation, out error),
                cancellationToken).ConfigureAwait(false);
        }

        /// <summary>
        /// Waits until all broadcasts sent so far have been handed to the listener's handler, as long as the timeout that the
        /// client was opened with.
        /// </summary>
        /// <param name="cancellationToken">Gives up waiting, from another thread; the broadcasts go on.</param>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.WrongMode"/> (a request listener was sent broadcasts), <see cref="IpcStatus.TimedOut"/>,
        /// <see cref="IpcStatus.ConnectionLost"/>: then some may not have got there.
        /// </exception>
        public void Flush(CancellationToken cancellationToken = default) => Offload.Run(() => FlushHere(null), cancellationToken);

        /// <summary>As <see cref="Flush(CancellationToken)"/>, with a timeout of its own.</summary>
        /// <param name="timeout"><see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
        /// <param name="cancellationToken">Gives up waiting, from another thread; the broadcasts go on.</param>
        public void Flush(TimeSpan timeout, CancellationToken cancellationToken = default) =>
            Offload.Run(() => FlushHere(timeout), cancellationToken);

        /// <summary>As <see cref="Flush(CancellationToken)"/>, without holding a thread of the caller's.</summary>
        /// <param name="cancellationToken">Gives up waiting; the broadcasts go on.</param>
        public Task FlushAsync(CancellationToken cancellationToken = default) =>
            Offload.RunAsync(() => FlushHere(null), cancellationToken);

        /// <summary>As <see cref="FlushAsync(CancellationToken)"/>, with a timeout of its own.</summary>
        /// <param name="timeout"><see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
        /// <param name="cancellationToken">Gives up waiting; the broadcasts go on.</param>
        public Task FlushAsync(TimeSpan timeout, CancellationToken cancellationToken = default) =>
            Offload.RunAsync(() => FlushHere(timeout), cancellationToken);

        /// <summary>
        /// Asks the listener for a sign of life, and gives the length of the round trip. No handler is involved. It waits as long
        /// as the timeout that the client was opened with.
        /// </summary>
        /// <param name="cancellationToken">Gives up waiting, from another thread.</param>
        public TimeSpan Ping(CancellationToken cancellationToken = default) => Offload.Run(() => PingHere(null), cancellationToken);

        /// <summary>As <see cref="Ping(CancellationToken)"/>, with a timeout of its own.</summary>
        /// <param name="timeout"><see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
        /// <param name="cancellationToken">Gives up waiting, from another thread.</param>
        public TimeSpan Ping(TimeSpan timeout, CancellationToken cancellationToken = default) =>
            Offload.Run(() => PingHere(timeout), cancellationToken);

        /// <summary>As <see cref="Ping(CancellationToken)"/>, without holding a thread of the caller's.</summary>
        /// <param name="cancellationToken">Gives up waiting.</param>
        public Task<TimeSpan> PingAsync(CancellationToken cancellationToken = default) =>
            Offload.RunAsync(() => PingHere(null), cancellationToken);

        /// <summary>As <see cref="PingAsync(CancellationToken)"/>, with a timeout of its own.</summary>
        /// <param name="timeout"><see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
        /// <param name="cancellationToken">Gives up waiting.</param>
        public Task<TimeSpan> PingAsync(TimeSpan timeout, CancellationToken cancellationToken = default) =>
            Offload.RunAsync(() => PingHere(timeout), cancellationToken);

        /// <summary>
        /// Ends the calls that are under way with <see cref="IpcStatus.Cancelled"/>, of which their handlers hear; waits as
        /// <see cref="Flush(CancellationToken)"/> does; then closes the connection, whatever comes of it. Closing again does
        /// nothing; sending afterwards fails with <see cref="IpcStatus.Closed"/>.
        /// </summary>
        /// <param name="cancellationToken">Gives up waiting, from another thread; the client closes all the same.</param>
        public void Close(CancellationToken cancellationToken = default) => Offload.Run(() => CloseHere(null), cancellationToken);

        /// <summary>As <see cref="Close(CancellationToken)"/>, with a timeout of its own for what it waits for.</summary>
        /// <param name="timeout"><see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
        /// <param name="cancellationToken">Gives up waiting, from another thread; the client closes all the same.</param>
        public void Close(TimeSpan timeout, CancellationToken cancellationToken = default) =>
            Offload.Run(() => CloseHere(timeout), cancellationToken);

        /// <summary>As <see cref="Close(CancellationToken)"/>, without holding a thread of the caller's.</summary>
        /// <param name="cancellationToken">Gives up waiting; the client closes all the same.</param>
        public Task CloseAsync(CancellationToken cancellationToken = default) =>
            Offload.RunAsync(() => CloseHere(null), cancellationToken);

        /// <summary>As <see cref="CloseAsync(CancellationToken)"/>, with a timeout of its own for what it waits for.</summary>
        /// <param name="timeout"><see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
        /// <param name="cancellationToken">Gives up waiting; the client closes all the same.</param>
        public Task CloseAsync(TimeSpan timeout, CancellationToken cancellationToken = default) =>
            Offload.RunAsync(() => CloseHere(timeout), cancellationToken);

        /// <summary>
        /// Lets go of the client without waiting and without an error: what has been sent goes out, and who needs to know
        /// that it arrived calls <see cref="Close(CancellationToken)"/> before. Calls that are under way end with
        /// <see cref="IpcStatus.Cancelled"/>, of which their handlers hear.
        /// </summary>
        public void Dispose()
        {
            if (Interlocked.Exchange(ref disposed, 1) != 0)
            {
                return;
            }
            if (Volatile.Read(ref calls) > 0)
            {
                Offload.Begin(EndCalls);
            }
            else
            {
                handle.Dispose();
            }
        }

        /// <summary>As <see cref="Dispose"/>, which does not wait.</summary>
        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }

        private void EndCalls()
        {
            try
            {
                CloseHere(null);
            }
            catch (IpcException)
            {
                // Nobody waits for what comes of it.
            }
            handle.Dispose();
        }

        private unsafe NativeStream StreamHere(in Outgoing outgoing, IpcOptions? options, bool waits)
        {
            using var client = handle.Borrow();
            using OptionsHandle? native = IpcOptions.ToNative(options);
            using Borrowed borrowed = Borrowed.Of(native);
            fixed (byte* data = outgoing.Data.Span)
            {
                IntPtr stream, error;
                int status = waits
                    ? NativeMethods.sipc_client_stream(client.Pointer, outgoing.Native(data), borrowed.Pointer, out stream, out error)
                    : NativeMethods.sipc_client_begin_stream(client.Pointer, outgoing.Native(data), borrowed.Pointer, out stream, out error);
                Failure.Check(status, error);
                return new NativeStream(stream, json);
            }
        }

        private void FlushHere(TimeSpan? timeout)
        {
            using var client = handle.Borrow();
            int status = timeout is TimeSpan limit
                ? NativeMethods.sipc_client_flush_within(client.Pointer, IpcOptions.Milliseconds(limit), out IntPtr error)
                : NativeMethods.sipc_client_flush(client.Pointer, out error);
            Failure.Check(status, error);
        }

        private TimeSpan PingHere(TimeSpan? timeout)
        {
            using var call = new UnderWay(this);
            using var client = handle.Borrow();
            int status = timeout is TimeSpan limit
                ? NativeMethods.sipc_client_ping_within(client.Pointer, IpcOptions.Milliseconds(limit), out ulong nanoseconds, out IntPtr error)
                : NativeMethods.sipc_client_ping(client.Pointer, out nanoseconds, out error);
            Failure.Check(status, error);
            // A tick is 100 ns.
            return TimeSpan.FromTicks((long)(nanoseconds / 100));
        }

        private void CloseHere(TimeSpan? timeout)
        {
            if (handle.IsClosed)
            {
                return;
            }
            using var client = handle.Borrow();
            int status = timeout is TimeSpan limit
                ? NativeMethods.sipc_client_close_within(client.Pointer, IpcOptions.Milliseconds(limit), out IntPtr error)
                : NativeMethods.sipc_client_close(client.Pointer, out error);
            Failure.Check(status, error);
        }

        private static unsafe IpcClient ConnectUdsHere(string channel, IpcOptions? options)
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

        private static IpcClient ConnectIpHere(int port, IpcOptions? options)
        {
            Library.Ensure();
            using OptionsHandle? native = IpcOptions.ToNative(options);
            using Borrowed borrowed = Borrowed.Of(native);
            int status = NativeMethods.sipc_client_connect_ip(
                unchecked((uint)port), borrowed.Pointer, out IntPtr client, out IntPtr error);
            Failure.Check(status, error);
            return new IpcClient(client, options);
        }

        private static unsafe IpcClient ConnectPathHere(string path, IpcOptions? options)
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

        /// <summary>Apart, because only a request that can be cancelled is worth an object.</summary>
        private TOut RequestCancellable<TOut>(Outgoing outgoing, TimeSpan? timeout, CancellationToken token)
        {
            using MessageHandle? reply = Native.Call.Run(
                (Call started, out IntPtr operation, out IntPtr error) =>
                    StartRequest(outgoing, timeout, started, out operation, out error),
                token);
            return reply!.Read<TOut>(json);
        }

        /// <summary>The same for a task.</summary>
        private async Task<TOut> RequestCancellableAsync<TOut>(Outgoing outgoing, TimeSpan? timeout, CancellationToken token)
        {
            using MessageHandle? reply = await Native.Call.RunAsync(
                (Call started, out IntPtr operation, out IntPtr error) =>
                    StartRequest(outgoing, timeout, started, out operation, out error),
                token).ConfigureAwait(false);
            return reply!.Read<TOut>(json);
        }

        /// <summary>Starts a request that nothing can give up but the client's end.</summary>
        private unsafe AwaitedCall BeginRequest(in Outgoing outgoing, TimeSpan? timeout)
        {
            using var client = handle.Borrow();
            using OptionsHandle? native = IpcOptions.ToNative(timeout);
            using Borrowed borrowed = Borrowed.Of(native);
            AwaitedCall call = AwaitedCall.Rent();
            fixed (byte* data = outgoing.Data.Span)
            {
                int status = NativeMethods.sipc_client_request_async(
                    client.Pointer, outgoing.Native(data), borrowed.Pointer, Native.Call.Callback, call.UserData, call.Drop, IntPtr.Zero, out IntPtr error);
                call.Check(status, error);
            }
            return call;
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
                    client.Pointer, outgoing.Native(data), borrowed.Pointer, Native.Call.Callback, call.UserData, call.Drop, out operation, out error);
            }
        }

        private unsafe int StartBroadcast(
            in Outgoing outgoing, Call call, out IntPtr operation, out IntPtr error)
        {
            using var client = handle.Borrow();
            fixed (byte* data = outgoing.Data.Span)
            {
                return NativeMethods.sipc_client_broadcast_async(
                    client.Pointer, outgoing.Native(data), Native.Call.Callback, call.UserData, call.Drop, out operation, out error);
            }
        }

        /// <summary>A call for as long as it takes.</summary>
        private readonly struct UnderWay : IDisposable
        {
            private readonly IpcClient client;

            internal UnderWay(IpcClient client)
            {
                this.client = client;
                Interlocked.Increment(ref client.calls);
                if (Volatile.Read(ref client.disposed) != 0)
                {
                    Dispose();
                    throw new IpcException(IpcStatus.Closed, "the client is disposed; make a new one");
                }
            }

            public void Dispose() => Interlocked.Decrement(ref client.calls);
        }
    }
}
