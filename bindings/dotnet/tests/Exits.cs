using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>Ways for a process to end while the library is at work, each of them many times.</summary>
    internal static class Exits
    {
        private static readonly int Runs = int.Parse(Environment.GetEnvironmentVariable("SIMPLE_IPC_TEST_RUNS") ?? "20");
        private const int AtOnce = 4;
        // What a process that ends with a listener open may leave; the next listener takes both over.
        private static readonly string[] MayBeLeft =
        {
            ".deno.exit.socket", ".deno.exit.socket.lock", ".deno.exit_b.socket", ".deno.exit_b.socket.lock",
        };

        [Test]
        internal static Task with_listeners_open() => AllEndWell(nameof(Listening));

        [Test]
        internal static Task with_calls_in_flight() => AllEndWell(nameof(InCalls));

        [Test]
        internal static Task while_handlers_run() => AllEndWell(nameof(InHandlers));

        [Test]
        internal static Task from_a_handler() => AllEndWell(nameof(CalledInHandler));

        [Test]
        internal static Task from_a_second_thread() => AllEndWell(nameof(CalledInSecondThread));

        [Test]
        internal static Task under_a_storm_of_signals() => AllEndWell(nameof(UnderSignals));

        [Test]
        internal static Task after_callers_died_with_sigpipe_at_its_default() => AllEndWell(nameof(CallersDied));

        [Test]
        internal static Task with_subscriptions_open() => AllEndWell(nameof(Subscribed));

        [Test]
        internal static Task with_streams_open() => AllEndWell(nameof(Streaming));

        [Test]
        internal static Task after_starting_processes() => AllEndWell(nameof(StartedProcesses));

        [Test]
        internal static Task after_unloading_the_library() => AllEndWell(nameof(Unloaded));

        private static async Task AllEndWell(string program)
        {
            int next = 0;
            long longest = 0;
            await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(_ => Task.Run(async () =>
            {
                while (Interlocked.Increment(ref next) <= Runs)
                {
                    using var scratch = new Scratch();
                    Stopwatch clock = Stopwatch.StartNew();
                    using var child = new Child(program, null, scratch.Path);
                    (int code, string output, string errors) = await child.EndAsync();
                    Check.Equal((program, 0, "ready", ""), (program, code, output, errors));
                    lock (MayBeLeft)
                    {
                        longest = Math.Max(longest, clock.ElapsedMilliseconds);
                    }
                    string[] stray = Directory.GetFileSystemEntries(scratch.Path).Select(Path.GetFileName)!
                        .Except(MayBeLeft).ToArray()!;
                    Check.Equal("", string.Join(", ", stray));
                    // The channel is free for the next listener, whatever is left.
                    using var listener = Ipc.ListenUdsRequest<string, string>("exit", data => data, scratch.Options);
                    Check.Equal("x", Ipc.PostUdsRequest<string, string>("exit", "x", scratch.Options));
                }
            })));
            Console.WriteLine($"# {program}: {Runs} runs, the longest {longest} ms with the start of the runtime");
        }

        internal static async Task<int> RunAsync(string name, string directory)
        {
            var options = new IpcOptions { Directory = directory };
            switch (name)
            {
                case nameof(Listening): return Listening(options);
                case nameof(InCalls): return await InCalls(options);
                case nameof(InHandlers): return InHandlers(options);
                case nameof(CalledInHandler): return CalledInHandler(options);
                case nameof(CalledInSecondThread): return CalledInSecondThread(options);
                case nameof(UnderSignals): return UnderSignals(options);
                case nameof(CallersDied): return CallersDied(options);
                case nameof(Subscribed): return Subscribed(options);
                case nameof(Streaming): return Streaming(options);
                case nameof(StartedProcesses): return StartedProcesses(options);
                case nameof(Unloaded): return Unloaded(options);
                default: throw new ArgumentException($"no program is called {name}");
            }
        }

        private static int Listening(IpcOptions options)
        {
            Ipc.ListenUdsRequest<string, string>("exit", data => data, options);
            IpcListener broadcast = Ipc.ListenUdsBroadcast<string>("exit_b", _ => { }, options);
            Ipc.PostUdsRequest<string, string>("exit", "x", options);
            Console.WriteLine("ready");
            GC.KeepAlive(broadcast);
            return 0;
        }

        private static async Task<int> InCalls(IpcOptions options)
        {
            var entered = new SemaphoreSlim(0);
            IpcListener listener = Ipc.ListenUdsRequest<string, string>("exit", data => { entered.Release(); return new TaskCompletionSource<string>(options).Task; }, options);
            IpcClient client = IpcClient.ConnectUds("exit", options);
            Task[] calls = Enumerable.Range(0, 10).Select(_ => (Task)client.RequestAsync<string, string>("x")).ToArray();
            var thread = new Thread(() => client.Request<string, string>("x")) { IsBackground = true };
            thread.Start();
            for (int call = 0; call < 11; call++)
            {
                await entered.WaitAsync();
            }
            Console.WriteLine("ready");
            GC.KeepAlive(listener);
            GC.KeepAlive(calls);
            return 0;
        }

        private static int InHandlers(IpcOptions options)
        {
            var entered = new SemaphoreSlim(0);
            // Handlers that go in and out of managed code while the process ends, and one that stays inside.
            IpcListener listener = Ipc.ListenUdsRequest<int, int>("exit", data => { entered.Release(); if (data < 0) Thread.Sleep(Timeout.Infinite); return data; }, options);
            IpcClient client = IpcClient.ConnectUds("exit", options);
            foreach (int start in new[] { -1, 0, 0, 0 })
            {
                new Thread(() =>
                {
                    while (true)
                    {
                        Ipc.PostUdsRequest<int, int>("exit", start, options);
                        client.RequestAsync<int, int>(1).GetAwaiter().GetResult();
                    }
                })
                { IsBackground = true }.Start();
            }
            for (int message = 0; message < 200; message++)
            {
                entered.Wait();
            }
            Console.WriteLine("ready");
            GC.KeepAlive(listener);
            return 0;
        }

        private static int CalledInHandler(IpcOptions options)
        {
            IpcListener listener = Ipc.ListenUdsRequest<int, int>("exit", data => { Console.WriteLine("ready"); Environment.Exit(0); return data; }, options);
            try
            {
                Ipc.PostUdsRequest<int, int>("exit", 1, options);
            }
            finally
            {
                GC.KeepAlive(listener);
                Thread.Sleep(Timeout.Infinite);
            }
            return 1;
        }

        private static int CalledInSecondThread(IpcOptions options)
        {
            using var entered = new ManualResetEventSlim();
            IpcListener listener = Ipc.ListenUdsRequest<int, int>("exit", data => { entered.Set(); Thread.Sleep(Timeout.Infinite); return data; }, options);
            new Thread(() =>
            {
                entered.Wait();
                Console.WriteLine("ready");
                Environment.Exit(0);
            }).Start();
            try
            {
                Ipc.PostUdsRequest<int, int>("exit", 1, options);
            }
            finally
            {
                GC.KeepAlive(listener);
                Thread.Sleep(Timeout.Infinite);
            }
            return 1;
        }

        private static int UnderSignals(IpcOptions options)
        {
            const int Continue = 18, WindowChanged = 28;
            IpcListener listener = Ipc.ListenUdsRequest<byte[], byte[]>("exit", data => data, options);
            IpcClient client = IpcClient.ConnectUds("exit", options);
            int self = Process.GetCurrentProcess().Id;
            new Thread(() =>
            {
                while (true)
                {
                    kill(self, Continue);
                    kill(self, WindowChanged);
                    Thread.Yield();
                }
            })
            { IsBackground = true }.Start();
            // Large enough that sending and receiving have to wait.
            byte[] large = new byte[1 << 20];
            for (int call = 0; call < 10; call++)
            {
                Check.Equal(large.Length, client.Request<byte[], byte[]>(large).Length);
                Check.Equal(1, Ipc.PostUdsRequest<byte[], byte[]>("exit", new byte[1], options).Length);
            }
            Console.WriteLine("ready");
            GC.KeepAlive(listener);
            return 0;
        }

        private static int CallersDied(IpcOptions options)
        {
            const int Pipe = 13;
            signal(Pipe, IntPtr.Zero);
            using var entered = new SemaphoreSlim(0);
            var release = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            IpcListener listener = Ipc.ListenUdsRequest<string, string>("exit", data => { entered.Release(); return release.Task; }, options);
            for (int caller = 0; caller < 3; caller++)
            {
                using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                socket.Connect(new UnixDomainSocketEndPoint(listener.Path!));
                // On the Deno wire: a zero for JSON, the text, the end.
                socket.Send(new byte[] { 0, (byte)'"', (byte)'x', (byte)'"' });
                socket.Shutdown(SocketShutdown.Send);
                entered.Wait();
            }
            // The callers have gone.
            release.SetResult(new string('x', 100000));
            Task<string> next = Ipc.PostUdsRequestAsync<string, string>("exit", "x", options);
            Check.Equal(100000, next.GetAwaiter().GetResult().Length);
            Console.WriteLine("ready");
            return 0;
        }

        private static int Subscribed(IpcOptions options)
        {
            options.Publish = true;
            IpcListener listener = Ipc.ListenUdsRequest<int, int>("exit", data => data, options);
            // A thread and a task that wait for an event, and a thread that goes on publishing.
            using var entered = new CountdownEvent(3);
            new Thread(() =>
            {
                foreach (IpcEvent<int> number in Ipc.SubscribeUds<int>("exit", options))
                {
                    if (number.Data == 10)
                    {
                        entered.Signal();
                        Ipc.SubscribeUds<int>("exit", new IpcOptions { Directory = options.Directory, Topics = new[] { "none" } }).Next();
                    }
                }
            })
            { IsBackground = true }.Start();
            Task.Run(async () =>
            {
                await foreach (IpcEvent<int> number in await Ipc.SubscribeUdsAsync<int>("exit", options))
                {
                    if (number.Data == 10)
                    {
                        entered.Signal();
                    }
                }
            });
            new Thread(() =>
            {
                while (listener.Counters.Subscribers < 2)
                {
                    Thread.Yield();
                }
                for (int number = 0; ; number++)
                {
                    listener.Publish(number);
                    if (number == 10)
                    {
                        entered.Signal();
                    }
                }
            })
            { IsBackground = true }.Start();
            entered.Wait();
            Console.WriteLine("ready");
            return 0;
        }

        private static int Streaming(IpcOptions options)
        {
            // Threads and tasks that take, send, and wait for either, and handlers of both forms.
            IpcListener later = Ipc.ListenUdsRequest<int, int>("exit", (_, context) => context.Items<int>(), options);
            IpcListener blocking = Ipc.ListenUdsStream<int, int>("exit_b", (_, context) => context.Items<int>(), options);
            using var entered = new CountdownEvent(4);
            foreach (string channel in new[] { "exit", "exit_b" })
            {
                IpcStream<int> stream = Ipc.PostUdsStream<int, int>(channel, 0, options);
                new Thread(() =>
                {
                    for (int number = 0; ; number++)
                    {
                        stream.Send(number);
                    }
                })
                { IsBackground = true }.Start();
                Task.Run(async () =>
                {
                    await foreach (int number in stream)
                    {
                        if (number == 10)
                        {
                            entered.Signal();
                        }
                    }
                });
                IpcStream<int> silent = Ipc.PostUdsStream<int, int>(channel, 0, options);
                new Thread(() =>
                {
                    entered.Signal();
                    silent.Next();
                })
                { IsBackground = true }.Start();
            }
            entered.Wait();
            Console.WriteLine("ready");
            GC.KeepAlive(later);
            GC.KeepAlive(blocking);
            return 0;
        }

        private static int StartedProcesses(IpcOptions options)
        {
            IpcListener listener = Ipc.ListenUdsRequest<int, int>("exit", data => data, options);
            IpcClient client = IpcClient.ConnectUds("exit", options);
            new Thread(() =>
            {
                while (true)
                {
                    client.Request<int, int>(1);
                }
            })
            { IsBackground = true }.Start();
            for (int run = 0; run < 3; run++)
            {
                using Process process = Process.Start("/bin/true");
                process.WaitForExit();
                Check.Equal(0, process.ExitCode);
                Check.Equal(run, Ipc.PostUdsRequest<int, int>("exit", run, options));
            }
            Console.WriteLine("ready");
            GC.KeepAlive(listener);
            return 0;
        }

        private static int Unloaded(IpcOptions options)
        {
            IpcListener listener = Ipc.ListenUdsRequest<int, int>("exit", data => data, options);
            IpcClient client = IpcClient.ConnectUds("exit", options);
            Check.Equal(1, client.Request<int, int>(1));
            IntPtr library = NativeLibrary.Load(Environment.GetEnvironmentVariable("SIMPLE_IPC_LIBRARY")!);
            // The second time it is the binding's own hold that goes: the code stays, with the threads that run in it.
            NativeLibrary.Free(library);
            NativeLibrary.Free(library);
            Check.Equal(2, client.Request<int, int>(2));
            Console.WriteLine("ready");
            GC.KeepAlive(listener);
            return 0;
        }

        [DllImport("libc")]
        private static extern int kill(int process, int signal);

        [DllImport("libc")]
        private static extern IntPtr signal(int number, IntPtr handler);
    }
}
