using System;
using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Native;

namespace SimpleIpc
{
    public static partial class Ipc
    {
        /// <summary>Listens for requests on a named channel, with a table of functions.</summary>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="methods">The functions that messages name; at least one.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">As where the handler is a function.</exception>
        public static IpcListener ListenUdsRequest(string channel, IpcMethods methods, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new RequestDispatcher<IpcMessage, object?>(Handler(methods, options), options), options);

        /// <summary>Listens for requests on a named channel, with a table of functions.</summary>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="methods">The functions that messages name; at least one.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">As where the handler is a function.</exception>
        public static Task<IpcListener> ListenUdsRequestAsync(string channel, IpcMethods methods, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new RequestDispatcher<IpcMessage, object?>(Handler(methods, options), options), options, cancellationToken);

        /// <summary>Listens for requests on a TCP port of 127.0.0.1, with a table of functions.</summary>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="methods">The functions that messages name; at least one.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">As where the handler is a function.</exception>
        public static IpcListener ListenIpRequest(int port, IpcMethods methods, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new RequestDispatcher<IpcMessage, object?>(Handler(methods, options), options), options);

        /// <summary>Listens for requests on a TCP port of 127.0.0.1, with a table of functions.</summary>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="methods">The functions that messages name; at least one.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">As where the handler is a function.</exception>
        public static Task<IpcListener> ListenIpRequestAsync(int port, IpcMethods methods, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new RequestDispatcher<IpcMessage, object?>(Handler(methods, options), options), options, cancellationToken);

        /// <summary>Listens for broadcasts on a named channel, with a table of functions.</summary>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="methods">The functions that messages name; at least one.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">As where the handler is a function.</exception>
        public static IpcListener ListenUdsBroadcast(string channel, IpcMethods methods, IpcOptions? options = null) =>
            Listen(Target.Uds(channel), new BroadcastDispatcher<IpcMessage>(Handler(methods, options), options), options);

        /// <summary>Listens for broadcasts on a named channel, with a table of functions.</summary>
        /// <param name="channel">1 to 85 characters of <c>A-Z a-z 0-9 _</c>.</param>
        /// <param name="methods">The functions that messages name; at least one.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">As where the handler is a function.</exception>
        public static Task<IpcListener> ListenUdsBroadcastAsync(string channel, IpcMethods methods, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Uds(channel), new BroadcastDispatcher<IpcMessage>(Handler(methods, options), options), options, cancellationToken);

        /// <summary>Listens for broadcasts on a TCP port of 127.0.0.1, with a table of functions.</summary>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="methods">The functions that messages name; at least one.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="IpcException">As where the handler is a function.</exception>
        public static IpcListener ListenIpBroadcast(int port, IpcMethods methods, IpcOptions? options = null) =>
            Listen(Target.Ip(port), new BroadcastDispatcher<IpcMessage>(Handler(methods, options), options), options);

        /// <summary>Listens for broadcasts on a TCP port of 127.0.0.1, with a table of functions.</summary>
        /// <param name="port">1 to 65535, or 0 to let the system choose one, which <see cref="IpcListener.Port"/> tells.</param>
        /// <param name="methods">The functions that messages name; at least one.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <param name="cancellationToken">Gives up listening.</param>
        /// <exception cref="IpcException">As where the handler is a function.</exception>
        public static Task<IpcListener> ListenIpBroadcastAsync(int port, IpcMethods methods, IpcOptions? options = null, CancellationToken cancellationToken = default) =>
            ListenAsync(Target.Ip(port), new BroadcastDispatcher<IpcMessage>(Handler(methods, options), options), options, cancellationToken);

        private static Func<IpcMessage, IpcContext, Task<object?>> Handler(IpcMethods methods, IpcOptions? options) =>
            (methods ?? throw new ArgumentNullException(nameof(methods))).Handler(options?.Json);
    }
}
