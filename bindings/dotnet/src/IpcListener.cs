using System;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;
using SimpleIpc.Native;

namespace SimpleIpc
{
    /// <summary>
    /// A channel that this process serves, from the calls of <see cref="Ipc"/> that listen. Any thread may use it. Keep it
    /// as long as the channel is to be served: one that nothing refers to is stopped by the garbage collector.
    /// </summary>
    public sealed partial class IpcListener : IDisposable, IAsyncDisposable
    {
        /// <summary>What <see cref="IpcOptions.Grace"/> is where it is left out.</summary>
        private static readonly TimeSpan DefaultGrace = TimeSpan.FromSeconds(5);

        /// <summary>How long an asynchronous handler may take to end once its listener has closed, where the grace period is over.</summary>
        private static readonly TimeSpan LettingGo = TimeSpan.FromMilliseconds(250);

        private readonly ListenerHandle handle;
        private readonly Publications publications;
        private readonly TimeSpan grace;

        // Since the first call that closed it, with which the grace period begins.
        private Stopwatch? closing;

        // None where it only publishes.
        private readonly Dispatcher? dispatcher;

        internal unsafe IpcListener(ListenerHandle handle, Dispatcher? dispatcher, IpcOptions? options)
        {
            this.handle = handle;
            this.dispatcher = dispatcher;
            publications = new Publications(handle, options);
            grace = options?.Grace ?? DefaultGrace;
            using var listener = handle.Borrow();
            Channel = Text.FromNative(NativeMethods.sipc_listener_channel(listener.Pointer)) ?? "";
            Address = Text.FromNative(NativeMethods.sipc_listener_address(listener.Pointer)) ?? "";
            Path = Text.FromNative(NativeMethods.sipc_listener_path(listener.Pointer));
            uint port = NativeMethods.sipc_listener_port(listener.Pointer);
            Port = port == 0 ? (int?)null : (int)port;
            if (dispatcher != null)
            {
                dispatcher.Channel = Channel;
            }
        }

        /// <summary>The channel as the command line writes it: its name, <c>:port</c>, or its path.</summary>
        public string Channel { get; }

        /// <summary>Where it listens: the socket's path, or <c>127.0.0.1:port</c>.</summary>
        public string Address { get; }

        /// <summary>The socket's path; null for a TCP listener.</summary>
        public string? Path { get; }

        /// <summary>The TCP port, also one that the system chose; null for a Unix socket.</summary>
        public int? Port { get; }

        /// <summary>What the listener has counted since its start. Fails with <see cref="IpcStatus.Closed"/> once it is disposed.</summary>
        public unsafe IpcCounters Counters
        {
            get
            {
                using var listener = handle.Borrow();
                var counters = new NativeCounters { Size = (UIntPtr)(uint)sizeof(NativeCounters) };
                int status = NativeMethods.sipc_listener_counters(listener.Pointer, &counters, out IntPtr error);
                Failure.Check(status, error);
                return new IpcCounters(counters);
            }
        }

        /// <summary>
        /// Stops accepting, answers what it has and sends what was published within the options' grace period, in which handlers whose
        /// callers have left may end, too; then returns. Closing again does nothing.
        /// Inside the listener's own handler, also behind an <c>await</c>, it begins to close and returns at once; the
        /// handler's answer still goes out.
        /// </summary>
        /// <exception cref="IpcException">
        /// <see cref="IpcStatus.TimedOut"/>: the channel is closed, and a handler still runs past the grace period.
        /// </exception>
        public void Close()
        {
            if (handle.IsClosed)
            {
                return;
            }
            if (IsAround && !dispatcher!.IsRunning)
            {
                // The C library knows its own threads only.
                Offload.Begin(CloseHere);
            }
            else
            {
                CloseHere();
            }
        }

        /// <summary>As <see cref="Close"/>, without holding a thread of the caller's.</summary>
        /// <param name="cancellationToken">Gives up waiting; the listener closes all the same.</param>
        public Task CloseAsync(CancellationToken cancellationToken = default)
        {
            if (!IsAround && !handle.IsClosed)
            {
                return Offload.RunAsync(CloseHere, cancellationToken);
            }
            try
            {
                Close();
                return Task.CompletedTask;
            }
            catch (IpcException exception)
            {
                return Task.FromException(exception);
            }
        }

        /// <summary>
        /// Closes the listener and lets go of it. Never throws. Inside the listener's own handler it does not wait, as
        /// <see cref="Close"/> does not; the handler's answer still goes out. A second time it does nothing.
        /// </summary>
        public void Dispose()
        {
            if (IsAround && !handle.IsClosed)
            {
                // On a thread that can wait for the handler.
                Offload.Begin(CloseAndFree);
            }
            else
            {
                CloseAndFree();
            }
        }

        /// <summary>As <see cref="Dispose"/>, without holding a thread of the caller's.</summary>
        public ValueTask DisposeAsync()
        {
            if (IsAround || handle.IsClosed)
            {
                Dispose();
                return default;
            }
            return new ValueTask(Offload.RunAsync(CloseAndFree, CancellationToken.None));
        }

        /// <summary>Whether this code is of its handler, also behind an <c>await</c> of it.</summary>
        private bool IsAround => dispatcher != null && dispatcher.IsAround;

        private void CloseHere()
        {
            if (handle.IsClosed)
            {
                return;
            }
            Stopwatch watch = LazyInitializer.EnsureInitialized(ref closing, Stopwatch.StartNew)!;
            using (var listener = handle.Borrow())
            {
                int status = NativeMethods.sipc_listener_close(listener.Pointer, out IntPtr error);
                Failure.Check(status, error);
            }
            // Inside a handler of its own it would wait for itself.
            if (dispatcher is null || IsAround)
            {
                return;
            }
            TimeSpan left = grace == Timeout.InfiniteTimeSpan ? grace : grace - watch.Elapsed;
            if (left != Timeout.InfiniteTimeSpan && left < LettingGo)
            {
                left = LettingGo;
            }
            if (!dispatcher.AtWork.Wait(left))
            {
                throw new IpcException(
                    IpcStatus.TimedOut,
                    $"channel \"{Channel}\" is closed, but a handler still runs after the grace period of {grace.TotalSeconds} s; end it when its caller has left");
            }
        }

        private void CloseAndFree()
        {
            try
            {
                CloseHere();
            }
            catch (IpcException)
            {
                // A handler that runs on, a listener that another thread has just disposed of, or one that a forked child
                // has inherited: it is let go of all the same.
            }
            handle.Dispose();
        }
    }

    /// <summary>What a listener has counted since its start.</summary>
    public readonly struct IpcCounters
    {
        private readonly NativeCounters counters;

        internal IpcCounters(NativeCounters counters) => this.counters = counters;

        /// <summary>Connections accepted.</summary>
        public long Connections => (long)counters.Connections;

        /// <summary>Connections open now.</summary>
        public long Open => (long)counters.Open;

        /// <summary>Messages handed to the handler.</summary>
        public long Messages => (long)counters.Messages;

        /// <summary>Messages whose handler failed.</summary>
        public long Failed => (long)counters.Failed;

        /// <summary>Connections closed because what arrived was no message of any dialect.</summary>
        public long Malformed => (long)counters.Malformed;

        /// <summary>Connections refused because of who was at the other end.</summary>
        public long Refused => (long)counters.Refused;

        /// <summary>Connections that ended, or went stale, before a whole message had come.</summary>
        public long Incomplete => (long)counters.Incomplete;

        /// <summary>Messages that were taken and are not answered yet, now.</summary>
        public long InFlight => (long)counters.InFlight;

        /// <summary>Requests that nobody waits for any more and whose handlers have not ended, now.</summary>
        public long Abandoned => (long)counters.Abandoned;

        /// <summary>Subscribers now.</summary>
        public long Subscribers => (long)counters.Subscribers;

        /// <summary>Events published.</summary>
        public long Published => (long)counters.Published;

        /// <summary>Events that were dropped for subscribers with <see cref="IpcOverflow.DropOldest"/>, each counted for each of them.</summary>
        public long Dropped => (long)counters.Dropped;

        /// <summary>Subscriptions that ended with <see cref="IpcStatus.TooSlow"/>.</summary>
        public long TooSlow => (long)counters.TooSlow;

        /// <summary>Streams that callers have opened and that have not ended, now.</summary>
        public long Streams => (long)counters.Streams;
    }
}
