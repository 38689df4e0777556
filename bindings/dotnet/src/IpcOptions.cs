using System;
using System.Collections.Generic;
using System.Text.Json;
using SimpleIpc.Native;

namespace SimpleIpc
{
    /// <summary>Which dialect a client speaks.</summary>
    public enum IpcWire
    {
        /// <summary>Native where the listener is this library, else the Deno wire.</summary>
        Auto = 0,

        /// <summary>Native sessions only.</summary>
        Native = 1,

        /// <summary>The Deno original's wire only: one connection for each message.</summary>
        Deno = 2,
    }

    /// <summary>How the socket's file is called.</summary>
    public enum IpcPathStyle
    {
        /// <summary><c>.deno.{name}.socket</c>: this library; the Deno original's v0.0.1 and v0.0.2.</summary>
        V0_0_1 = 0,

        /// <summary><c>.{name}.socket</c>: the original's v0.0.3 and v0.0.4.</summary>
        V0_0_3 = 1,

        /// <summary><c>.{name}.sock</c>: the original's v0.0.5 to v0.0.13.</summary>
        V0_0_5 = 2,

        /// <summary><c>{name}.sock</c>: the original's v0.0.14.</summary>
        V0_0_14 = 3,
    }

    /// <summary>
    /// Limits and choices for listening, posting, connecting, publishing and subscribing. What is null is as it is by default, which suits most
    /// programs; what does not concern a call is ignored by it. Nonsense is reported by the call that is given it, as
    /// <see cref="IpcStatus.InvalidArgument"/>. Calls copy what they need: options may be changed afterwards.
    /// </summary>
    public sealed class IpcOptions
    {
        /// <summary>
        /// How long a call may take from being made to its answer: 30 s by default,
        /// <see cref="System.Threading.Timeout.InfiniteTimeSpan"/> for no limit. Of a stream it is the whole time to its end, and
        /// without limit unless it is set. Whole milliseconds, rounded up.
        /// </summary>
        public TimeSpan? Timeout { get; set; }

        /// <summary>
        /// How long a stream may wait for the other side: to be accepted, 30 s by default; for an item, and for room to send one,
        /// without limit by default. Once it is set it holds for all three. Then the stream ends with
        /// <see cref="IpcStatus.TimedOut"/>. Whole milliseconds, rounded up.
        /// </summary>
        public TimeSpan? IdleTimeout { get; set; }

        /// <summary>
        /// How long a post or a connecting client waits for a listener to appear before it fails with
        /// <see cref="IpcStatus.NotListening"/>: not at all by default. The timeout starts after it.
        /// </summary>
        public TimeSpan? Wait { get; set; }

        /// <summary>Which dialect a client speaks: <see cref="IpcWire.Auto"/> by default.</summary>
        public IpcWire? Wire { get; set; }

        /// <summary>
        /// The directory of sockets and lock files: that in the environment variable <c>SIMPLE_IPC_DIR</c>, or <c>/tmp</c>,
        /// by default.
        /// </summary>
        public string? Directory { get; set; }

        /// <summary>The socket's full path, instead of one made from the directory and the channel's name.</summary>
        public string? Path { get; set; }

        /// <summary>How the socket's file is called: <see cref="IpcPathStyle.V0_0_1"/> by default.</summary>
        public IpcPathStyle? PathStyle { get; set; }

        /// <summary>
        /// The permission bits of a listener's socket file, 0 to 0777 (octal): 0600 by default. Letting another user in
        /// needs <see cref="AllowedUsers"/> too.
        /// </summary>
        public uint? SocketMode { get; set; }

        /// <summary>The largest body, in bytes, that is sent or taken: 64 MiB by default.</summary>
        public long? MaxMessage { get; set; }

        /// <summary>The most connections that a listener holds at once: 1024 by default.</summary>
        public int? MaxConnections { get; set; }

        /// <summary>
        /// The most requests of one client that a listener has in flight, and broadcasts that wait: 1024 by default. Then the
        /// client is not read.
        /// </summary>
        public int? MaxSessionInFlight { get; set; }

        /// <summary>
        /// The most messages that a listener has in flight, of all clients together: 16,384 by default. Then nobody is read.
        /// </summary>
        public int? MaxInFlight { get; set; }

        /// <summary>
        /// The most bytes of one client that wait for handlers, or for it to read its answers: 4 MiB by default. One larger
        /// message still passes.
        /// </summary>
        public long? MaxSessionWaiting { get; set; }

        /// <summary>The same, of all clients together: 256 MiB by default.</summary>
        public long? MaxWaiting { get; set; }

        /// <summary>
        /// How long a new connection may take to its first byte, and then to the end of its hello: 10 s each by default.
        /// </summary>
        public TimeSpan? HelloTimeout { get; set; }

        /// <summary>How long a sender may be silent inside a message: 30 s by default.</summary>
        public TimeSpan? StallTimeout { get; set; }

        /// <summary>
        /// The ids of the users that may be at the other end, besides root: only this process's own by default, which is
        /// to be named too if there are others.
        /// </summary>
        public IReadOnlyCollection<uint>? AllowedUsers { get; set; }

        /// <summary>Whether every user of this machine may be at the other end: no by default.</summary>
        public bool AllowAnyone { get; set; }

        /// <summary>How long a closing listener waits for handlers that are running: 5 s by default.</summary>
        public TimeSpan? Grace { get; set; }

        /// <summary>Whether a listener takes plain text: yes on Unix sockets and no on TCP by default.</summary>
        public bool? PlainText { get; set; }

        /// <summary>
        /// Whether processes of the same user, and root, may see what passes at a listener (messages, answers and items), with
        /// <c>simple-ipc tap</c>: no by default.
        /// </summary>
        public bool Tap { get; set; }

        /// <summary>The most threads that a listener runs handlers on: 256 by default. Beyond them messages wait for a thread.</summary>
        public int? Threads { get; set; }

        /// <summary>
        /// How long a thread that owns a session polls for the next message before it blocks, where polling has lately
        /// paid: 100 µs by default, zero for never.
        /// </summary>
        public TimeSpan? Spin { get; set; }

        /// <summary>
        /// How many bytes of memory a listener shares with its clients, all of them together, and whether a client asks for any,
        /// which it does unless this is 0: what the environment variable <c>SIMPLE_IPC_SHARED_MEMORY</c> says by default, a
        /// number of bytes, and without that 0. On Linux, between processes of one user, a busy session on a Unix socket then
        /// goes over to memory, of which it takes 516 KiB.
        /// </summary>
        public long? SharedMemory { get; set; }

        /// <summary>
        /// How often a listener looks whether its socket and lock file still stand, and puts them back if something removed
        /// them: every 30 s by default.
        /// </summary>
        public TimeSpan? CheckInterval { get; set; }

        /// <summary>
        /// Whether a listener for requests or broadcasts takes subscribers besides, for <see cref="IpcListener.Publish"/>: no by
        /// default. One that was made to publish does so in any case.
        /// </summary>
        public bool Publish { get; set; }

        /// <summary>
        /// Whether a publisher keeps the last event of each topic, and gives it first to those who subscribe later, as
        /// <see cref="IpcEvent{T}.Retained"/>: no by default. What is kept counts as <see cref="MaxWaiting"/>, beyond which
        /// publishing fails with <see cref="IpcStatus.OutOfResources"/>. Publishing no bytes on a topic forgets it.
        /// </summary>
        public bool Retain { get; set; }

        /// <summary>
        /// How long one publish waits for subscribers with <see cref="IpcOverflow.Block"/> that do not keep up: not at all by
        /// default, and such subscribers are refused. Whoever has no room afterwards is cut off with
        /// <see cref="IpcStatus.TooSlow"/>. Whole milliseconds, rounded up.
        /// </summary>
        public TimeSpan? Patience { get; set; }

        /// <summary>
        /// The topics that a subscriber gets, each exactly as it is published; the empty one is that of events without a
        /// topic: all of them by default. From 1 to 1024, of at most 255 bytes each in UTF-8.
        /// </summary>
        public IReadOnlyCollection<string>? Topics { get; set; }

        /// <summary>
        /// What becomes of a subscription for which more waits than its <see cref="Queue"/>: <see cref="IpcOverflow.Fail"/> by default.
        /// </summary>
        public IpcOverflow? Overflow { get; set; }

        /// <summary>
        /// The most bytes that wait at the publisher for a subscriber: 4 MiB by default, and no more than the publisher's
        /// <see cref="MaxSessionWaiting"/>. One larger event still passes.
        /// </summary>
        public long? Queue { get; set; }

        /// <summary>
        /// How long a subscription that has lost its publisher looks for it, or for the next one: without limit by default.
        /// With zero it ends with its publisher, without an error where that closed, and with
        /// <see cref="IpcStatus.ConnectionLost"/> where it died.
        /// </summary>
        public TimeSpan? Reconnect { get; set; }

        /// <summary>
        /// How values become JSON and back: what <see cref="IpcJson.CreateOptions"/> gives by default. Options that are given
        /// rule alone. In a trimmed or ahead-of-time compiled program: options with a generated JsonSerializerContext.
        /// </summary>
        public JsonSerializerOptions? Json { get; set; }

        /// <summary>
        /// Called once for each failure of a listener's handler, on the handler's thread, several at once where several fail at
        /// once. By default those that no caller hears of, such as a broadcast's, are one line each on standard error. What it
        /// throws itself is ignored.
        /// </summary>
        public Action<IpcHandlerFailure>? HandlerFailed { get; set; }

        /// <summary>The options as C has them; null for the defaults.</summary>
        internal static OptionsHandle? ToNative(IpcOptions? options) => options?.ToNative();

        /// <summary>The options as C has them, for a listener.</summary>
        internal static OptionsHandle ToNative(IpcOptions? options, Dispatcher dispatcher)
        {
            OptionsHandle handle = (options ?? new IpcOptions()).ToNative();
            using Borrowed borrowed = handle.Borrow();
            dispatcher.ListenTo(borrowed.Pointer);
            return handle;
        }

        /// <summary>Options that hold one timeout; null for the default.</summary>
        internal static OptionsHandle? ToNative(TimeSpan? timeout) =>
            timeout is null ? null : new IpcOptions { Timeout = timeout }.ToNative();

        // What the setters return is ignored: options that were given nonsense say so to the call that they are for.
        private unsafe OptionsHandle ToNative()
        {
            var handle = new OptionsHandle(NativeMethods.sipc_options_new());
            try
            {
                using var borrowed = handle.Borrow();
                IntPtr options = borrowed.Pointer;
                if (Timeout is TimeSpan timeout) NativeMethods.sipc_options_set_timeout_ms(options, Milliseconds(timeout));
                if (IdleTimeout is TimeSpan idle) NativeMethods.sipc_options_set_idle_timeout_ms(options, Milliseconds(idle));
                if (Wait is TimeSpan wait) NativeMethods.sipc_options_set_wait_ms(options, Ever(wait));
                if (Wire is IpcWire wire) NativeMethods.sipc_options_set_wire(options, (int)wire);
                if (PathStyle is IpcPathStyle style) NativeMethods.sipc_options_set_path_style(options, (int)style);
                if (SocketMode is uint mode) NativeMethods.sipc_options_set_socket_mode(options, mode);
                if (MaxMessage is long bytes) NativeMethods.sipc_options_set_max_message(options, Size(bytes));
                if (MaxConnections is int connections) NativeMethods.sipc_options_set_max_connections(options, Count(connections));
                if (MaxSessionInFlight is int ofOne) NativeMethods.sipc_options_set_max_session_in_flight(options, Count(ofOne));
                if (MaxInFlight is int ofAll) NativeMethods.sipc_options_set_max_in_flight(options, Count(ofAll));
                if (MaxSessionWaiting is long bytesOfOne) NativeMethods.sipc_options_set_max_session_waiting(options, Size(bytesOfOne));
                if (MaxWaiting is long bytesOfAll) NativeMethods.sipc_options_set_max_waiting(options, Size(bytesOfAll));
                if (HelloTimeout is TimeSpan hello) NativeMethods.sipc_options_set_hello_timeout_ms(options, Ever(hello));
                if (StallTimeout is TimeSpan stall) NativeMethods.sipc_options_set_stall_timeout_ms(options, Ever(stall));
                if (Grace is TimeSpan grace) NativeMethods.sipc_options_set_grace_ms(options, Ever(grace));
                if (PlainText is bool accept) NativeMethods.sipc_options_set_plain_text(options, accept ? (byte)1 : (byte)0);
                if (Tap) NativeMethods.sipc_options_set_tap(options, 1);
                if (Threads is int threads) NativeMethods.sipc_options_set_threads(options, Count(threads));
                if (Spin is TimeSpan spin) NativeMethods.sipc_options_set_spin_us(options, Units(spin, TimeSpan.TicksPerMillisecond / 1000));
                if (SharedMemory is long shared) NativeMethods.sipc_options_set_shared_memory(options, Shared(shared));
                if (CheckInterval is TimeSpan check) NativeMethods.sipc_options_set_check_interval_ms(options, Ever(check));
                if (Publish) NativeMethods.sipc_options_set_publish(options, 1);
                if (Retain) NativeMethods.sipc_options_set_retain(options, 1);
                if (Patience is TimeSpan patience) NativeMethods.sipc_options_set_patience_ms(options, Ever(patience));
                if (Topics is IReadOnlyCollection<string> topics) SetTopics(options, topics);
                if (Overflow is IpcOverflow overflow) NativeMethods.sipc_options_set_overflow(options, (int)overflow);
                if (Queue is long bytesOfQueue) NativeMethods.sipc_options_set_queue(options, Size(bytesOfQueue));
                if (Reconnect is TimeSpan reconnect) NativeMethods.sipc_options_set_reconnect_ms(options, Milliseconds(reconnect));
                foreach (uint user in AllowedUsers ?? Array.Empty<uint>())
                {
                    NativeMethods.sipc_options_allow_user(options, user);
                }
                if (AllowAnyone) NativeMethods.sipc_options_allow_anyone(options);
                if (Directory is string directory)
                {
                    fixed (byte* text = Text.ToNative(directory, "directory", IpcStatus.InvalidArgument))
                    {
                        NativeMethods.sipc_options_set_directory(options, text);
                    }
                }
                if (Path is string path)
                {
                    fixed (byte* text = Text.ToNative(path, "path", IpcStatus.InvalidArgument))
                    {
                        NativeMethods.sipc_options_set_path(options, text);
                    }
                }
                return handle;
            }
            catch
            {
                handle.Dispose();
                throw;
            }
        }

        private static unsafe void SetTopics(IntPtr options, IReadOnlyCollection<string> topics)
        {
            // All texts in one piece of memory, which is held still once.
            var starts = new List<int>(topics.Count);
            using var texts = new System.IO.MemoryStream();
            foreach (string topic in topics)
            {
                starts.Add((int)texts.Length);
                byte[] text = Text.ToNative(topic, "topic", IpcStatus.InvalidArgument);
                texts.Write(text, 0, text.Length);
            }
            IntPtr[] pointers = new IntPtr[starts.Count];
            fixed (byte* start = texts.ToArray())
            fixed (IntPtr* list = pointers)
            {
                for (int at = 0; at < pointers.Length; at++)
                {
                    list[at] = (IntPtr)(start + starts[at]);
                }
                NativeMethods.sipc_options_set_topics(options, (byte**)list, (UIntPtr)(uint)pointers.Length);
            }
        }

        /// <summary>Where C has no number for 'no limit': longer than anything lasts.</summary>
        private static long Ever(TimeSpan time) =>
            time == System.Threading.Timeout.InfiniteTimeSpan ? long.MaxValue : Milliseconds(time);

        internal static long Milliseconds(TimeSpan time) => Units(time, TimeSpan.TicksPerMillisecond);

        /// <summary>
        /// Rounded up, so that a short time does not become none. What is below zero, and not 'infinite', stays below what
        /// the library takes for 'no limit', and is refused there.
        /// </summary>
        private static long Units(TimeSpan time, long ticks)
        {
            if (time == System.Threading.Timeout.InfiniteTimeSpan)
            {
                return NativeMethods.NoTimeout;
            }
            return time < TimeSpan.Zero ? Math.Min(time.Ticks / ticks, -2) : time.Ticks / ticks + (time.Ticks % ticks == 0 ? 0 : 1);
        }

        // The library refuses zero, and with this what is below it.
        private static UIntPtr Count(int count) => (UIntPtr)(uint)Math.Max(count, 0);

        // None at all is a choice here, which a negative number does not mean.
        private static UIntPtr Shared(long bytes) => bytes >= 0
            ? Size(bytes)
            : throw new IpcException(IpcStatus.InvalidArgument, $"SharedMemory is {bytes}: use a number of bytes, or 0 for none");

        private static UIntPtr Size(long bytes) => (UIntPtr)(ulong)Math.Max(bytes, 0);
    }
}
