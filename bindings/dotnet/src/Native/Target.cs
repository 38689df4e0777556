using System;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Native
{
    /// <summary>A channel's name or port, and the native functions for each.</summary>
    internal readonly struct Target
    {
        // With its zero at the end; null for a port.
        private readonly byte[]? name;
        private readonly uint port;

        private Target(byte[]? name, uint port)
        {
            this.name = name;
            this.port = port;
        }

        internal static Target Uds(string channel) =>
            new Target(Text.ToNative(channel, "channel", IpcStatus.InvalidName), 0);

        // What is below zero becomes a number that is no port either.
        internal static Target Ip(int port) => new Target(null, unchecked((uint)port));

        /// <summary>As the command line writes it.</summary>
        public override string ToString() =>
            name is null ? $":{port}" : System.Text.Encoding.UTF8.GetString(name, 0, name.Length - 1);

        internal unsafe int Listen(Dispatcher dispatcher, IntPtr options, out IntPtr listener, out IntPtr error)
        {
            IntPtr data = Dispatcher.Hold(dispatcher);
            fixed (byte* channel = name)
            {
                return (name != null, dispatcher.TakesRequests) switch
                {
                    (true, true) => NativeMethods.sipc_listen_uds_request(
                        channel, Dispatcher.Handler, data, Dispatcher.Drop, options, out listener, out error),
                    (true, false) => NativeMethods.sipc_listen_uds_broadcast(
                        channel, Dispatcher.Handler, data, Dispatcher.Drop, options, out listener, out error),
                    (false, true) => NativeMethods.sipc_listen_ip_request(
                        port, Dispatcher.Handler, data, Dispatcher.Drop, options, out listener, out error),
                    (false, false) => NativeMethods.sipc_listen_ip_broadcast(
                        port, Dispatcher.Handler, data, Dispatcher.Drop, options, out listener, out error),
                };
            }
        }

        internal unsafe int ListenPublish(IntPtr options, out IntPtr listener, out IntPtr error)
        {
            fixed (byte* channel = name)
            {
                return name != null
                    ? NativeMethods.sipc_listen_uds_publish(channel, options, out listener, out error)
                    : NativeMethods.sipc_listen_ip_publish(port, options, out listener, out error);
            }
        }

        internal unsafe int Subscribe(IntPtr options, out IntPtr stream, out IntPtr error)
        {
            fixed (byte* channel = name)
            {
                return name != null
                    ? NativeMethods.sipc_subscribe_uds(channel, options, out stream, out error)
                    : NativeMethods.sipc_subscribe_ip(port, options, out stream, out error);
            }
        }

        /// <summary>Opens a stream.</summary>
        /// <param name="outgoing">What opens it.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="waits">Whether it returns once the listener has accepted the stream, and not at once.</param>
        internal unsafe NativeStream Stream(in Outgoing outgoing, IpcOptions? options, bool waits)
        {
            using OptionsHandle? native = IpcOptions.ToNative(options);
            using Borrowed borrowed = Borrowed.Of(native);
            fixed (byte* channel = name, data = outgoing.Data.Span)
            {
                NativeBody body = outgoing.Native(data);
                IntPtr stream, error;
                int status = (name != null, waits) switch
                {
                    (true, true) => NativeMethods.sipc_post_uds_stream(channel, body, borrowed.Pointer, out stream, out error),
                    (true, false) => NativeMethods.sipc_begin_uds_stream(channel, body, borrowed.Pointer, out stream, out error),
                    (false, true) => NativeMethods.sipc_post_ip_stream(port, body, borrowed.Pointer, out stream, out error),
                    (false, false) => NativeMethods.sipc_begin_ip_stream(port, body, borrowed.Pointer, out stream, out error),
                };
                Failure.Check(status, error);
                return new NativeStream(stream, options?.Json);
            }
        }

        internal unsafe TOut Request<TIn, TOut>(TIn body, IpcOptions? options, CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            Library.Ensure();
            if (token.CanBeCanceled)
            {
                System.Text.Json.JsonSerializerOptions? json = options?.Json;
                using MessageHandle? answer = Call.Run(Starter(Body.From(body, json), true, options), token);
                return answer!.Read<TOut>(json);
            }
            Outgoing outgoing = Body.From(body, options?.Json);
            using OptionsHandle? native = IpcOptions.ToNative(options);
            using Borrowed borrowed = Borrowed.Of(native);
            fixed (byte* channel = name, data = outgoing.Data.Span)
            {
                int status = name != null
                    ? NativeMethods.sipc_post_uds_request(
                        channel, outgoing.Native(data), borrowed.Pointer, out IntPtr reply, out IntPtr error)
                    : NativeMethods.sipc_post_ip_request(
                        port, outgoing.Native(data), borrowed.Pointer, out reply, out error);
                Failure.Check(status, error);
                return Body.Take<TOut>(reply, options?.Json);
            }
        }

        internal unsafe void Broadcast<TIn>(TIn body, IpcOptions? options, CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            Library.Ensure();
            if (token.CanBeCanceled)
            {
                Call.Run(Starter(Body.From(body, options?.Json), false, options), token);
                return;
            }
            Outgoing outgoing = Body.From(body, options?.Json);
            using OptionsHandle? native = IpcOptions.ToNative(options);
            using Borrowed borrowed = Borrowed.Of(native);
            fixed (byte* channel = name, data = outgoing.Data.Span)
            {
                int status = name != null
                    ? NativeMethods.sipc_post_uds_broadcast(
                        channel, outgoing.Native(data), borrowed.Pointer, out IntPtr error)
                    : NativeMethods.sipc_post_ip_broadcast(port, outgoing.Native(data), borrowed.Pointer, out error);
                Failure.Check(status, error);
            }
        }

        internal async Task<TOut> RequestAsync<TIn, TOut>(TIn body, IpcOptions? options, CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            Library.Ensure();
            System.Text.Json.JsonSerializerOptions? json = options?.Json;
            using MessageHandle? reply =
                await Call.RunAsync(Starter(Body.From(body, json), true, options), token).ConfigureAwait(false);
            return reply!.Read<TOut>(json);
        }

        internal async Task BroadcastAsync<TIn>(TIn body, IpcOptions? options, CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            Library.Ensure();
            await Call.RunAsync(Starter(Body.From(body, options?.Json), false, options), token).ConfigureAwait(false);
        }

        private Call.Starter Starter(Outgoing outgoing, bool request, IpcOptions? options)
        {
            Target target = this;
            return (Call call, out IntPtr operation, out IntPtr error) =>
                target.Start(outgoing, request, options, call, out operation, out error);
        }

        private unsafe int Start(
            in Outgoing outgoing, bool request, IpcOptions? options, Call call,
            out IntPtr operation, out IntPtr error)
        {
            using OptionsHandle? native = IpcOptions.ToNative(options);
            using Borrowed borrowed = Borrowed.Of(native);
            fixed (byte* channel = name, data = outgoing.Data.Span)
            {
                NativeBody body = outgoing.Native(data);
                return (name != null, request) switch
                {
                    (true, true) => NativeMethods.sipc_post_uds_request_async(
                        channel, body, borrowed.Pointer, Call.Callback, call.UserData, call.Drop, out operation, out error),
                    (true, false) => NativeMethods.sipc_post_uds_broadcast_async(
                        channel, body, borrowed.Pointer, Call.Callback, call.UserData, call.Drop, out operation, out error),
                    (false, true) => NativeMethods.sipc_post_ip_request_async(
                        port, body, borrowed.Pointer, Call.Callback, call.UserData, call.Drop, out operation, out error),
                    (false, false) => NativeMethods.sipc_post_ip_broadcast_async(
                        port, body, borrowed.Pointer, Call.Callback, call.UserData, call.Drop, out operation, out error),
                };
            }
        }
    }
}
