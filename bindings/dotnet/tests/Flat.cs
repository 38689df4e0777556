using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>Makes 100,000 calls of many kinds, publications and streams among them, and prints how many descriptors and MiB more there are afterwards.</summary>
    internal static class Flat
    {
        internal static async Task<int> RunAsync(string directory)
        {
            var options = new IpcOptions { Directory = directory, HandlerFailed = _ => { }, Publish = true };
            using var streams = Ipc.ListenUdsRequest<int, int>("streams", (n, context) => n < 0 ? context.Items<int>() : Streams.CountLater(n), options);
            using var listener = Ipc.ListenUdsRequest<string, string>("flat", (data, context) => data == "bad" ? throw new Exception(data) : data, options);
            await using IpcClient client = await IpcClient.ConnectUdsAsync("flat", options);
            using IpcSubscription<string> blocking = Ipc.SubscribeUds<string>("flat", options);
            await using IpcAsyncSubscription<string> later = await Ipc.SubscribeUdsAsync<string>("flat", options);
            var events = new Events(listener, blocking, later);
            await RoundAsync(client, events, options, 20_000);
            Lifetimes.Collect();
            int descriptors = Directory.GetFiles("/proc/self/fd").Length;
            long memory = Resident();
            await RoundAsync(client, events, options, 100_000);
            Lifetimes.Collect();
            Console.WriteLine($"{Directory.GetFiles("/proc/self/fd").Length - descriptors} {(Resident() - memory) >> 20}");
            return 0;
        }

        private static async Task RoundAsync(IpcClient client, Events events, IpcOptions options, int calls)
        {
            for (int n = 0; n < calls; n++)
            {
                if (n % 5_000 == 0)
                {
                    // The collector lets garbage lie until there is about as much as the processor's cache holds.
                    Lifetimes.Collect();
                }
                switch (n % 20)
                {
                    case 1: Check.Equal("x", await client.RequestAsync<string, string>("x")); break;
                    case 2: Check.Fails(IpcStatus.HandlerFailed, () => client.Request<string, string>("bad")); break;
                    case 3: Check.Equal("x", await Ipc.PostUdsRequestAsync<string, string>("flat", "x", options)); break;
                    case 4: Check.Equal("x", Ipc.PostUdsRequest<string, string>("flat", "x", options)); break;
                    case 5: Check.Fails(IpcStatus.InvalidJson, () => client.Request<double, string>(double.NaN)); break;
                    case 6: Check.Fails(IpcStatus.InvalidBody, () => client.Request<string, int>("x")); break;
                    case 8: await events.RoundAsync(); break;
                    case 9: await StreamAsync(n, options); break;
                    case 7 when n % 1000 == 7:
                        using (IpcClient brief = IpcClient.ConnectUds("flat", options)) brief.Ping();
                        break;
                    default: Check.Equal("x", client.Request<string, string>("x")); break;
                }
            }
        }

        /// <summary>A stream that is taken to its end, one that is left, one that goes both ways, and one that nobody looks at.</summary>
        private static async Task StreamAsync(int n, IpcOptions options)
        {
            switch (n / 20 % 4)
            {
                case 0: Check.Equal(3, (await Streams.ListAsync(Ipc.PostUdsStreamAsync<int, int>("streams", 3, options))).Count); break;
                case 1:
                    await foreach (int _ in Ipc.PostUdsStreamAsync<int, int>("streams", int.MaxValue, options)) break;
                    break;
                case 2:
                    using (IpcStream<int> both = Ipc.PostUdsStream<int, int>("streams", -1, options))
                    {
                        await both.SendAsync(1);
                        Check.Equal(1, both.Next()!.Value.Data);
                    }
                    break;
                default: Ipc.PostUdsStream<int, int>("streams", 3, options).Dispose(); break;
            }
        }

        /// <summary>One event to two subscriptions, with waits that are given up before it.</summary>
        private sealed class Events
        {
            private readonly IpcListener listener;
            private readonly IpcSubscription<string> blocking;
            private readonly IpcAsyncSubscription<string> later;

            internal Events(IpcListener listener, IpcSubscription<string> blocking, IpcAsyncSubscription<string> later)
            {
                this.listener = listener;
                this.blocking = blocking;
                this.later = later;
            }

            internal async Task RoundAsync()
            {
                using var source = new CancellationTokenSource();
                Task<IpcEvent<string>?> given_up = later.NextAsync(source.Token).AsTask();
                source.Cancel();
                await Check.ThrowsAsync<OperationCanceledException>(() => given_up);
                Check.Fails(IpcStatus.TimedOut, () => blocking.Next(TimeSpan.Zero));
                Task<IpcEvent<string>?> waiting = later.NextAsync().AsTask();
                Check.Equal(2, listener.Publish("x", "topic"));
                Check.Equal("x", blocking.Next()!.Data);
                Check.Equal("topic", (await waiting)!.Topic);
            }
        }

        /// <summary>Opens 10,000 streams and drops them in each way, and prints how many descriptors, threads and MiB more there are afterwards.</summary>
        internal static int Drop(string directory)
        {
            var options = new IpcOptions { Directory = directory };
            using var streams = Ipc.ListenUdsRequest<int, int>("streams", (n, context) => n < 0 ? context.Items<int>() : StreamFlow.OneOf(context), options);
            Drop(streams, options, 2_000);
            (int descriptors, int threads, long memory) = (Entries("fd"), Entries("task"), Resident());
            Drop(streams, options, 10_000);
            // Threads for handlers stay a while for the next ones.
            while (Entries("task") - threads > 20)
            {
                Thread.Sleep(10);
            }
            Console.WriteLine($"{Entries("fd") - descriptors} {Entries("task") - threads} {(Resident() - memory) >> 20}");
            return 0;
        }

        /// <summary>Sends so many MiB to a handler that sends them back, and prints by how many MiB the process was ever larger.</summary>
        internal static async Task<int> BothWaysAsync(string directory, int megabytes)
        {
            var options = new IpcOptions { Directory = directory };
            using var echo = Ipc.ListenUdsRequest<int, byte[]>("echo", (_, context) => context.Items<byte[]>(), options);
            await BothWaysAsync(options, 16);
            long before = Largest();
            await BothWaysAsync(options, megabytes);
            Console.WriteLine(Largest() - before >> 10);
            return 0;
        }

        private static async Task BothWaysAsync(IpcOptions options, int megabytes)
        {
            await using IpcStream<byte[]> stream = Ipc.PostUdsStreamAsync<int, byte[]>("echo", 0, options);
            byte[] part = new byte[64 << 10];
            Task sending = Task.Run(async () =>
            {
                for (int sent = 0; sent < megabytes * 16; sent++)
                {
                    await stream.SendAsync(part);
                }
                stream.End();
            });
            long bytes = 0;
            await foreach (byte[] item in stream)
            {
                bytes += item.Length;
            }
            await sending;
            Check.Equal((long)megabytes << 20, bytes);
        }

        /// <summary>The most memory that this process ever had, in KiB.</summary>
        private static long Largest() =>
            long.Parse(File.ReadAllLines("/proc/self/status").Single(line => line.StartsWith("VmHWM:")).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);

        private static void Drop(IpcListener streams, IpcOptions options, int count)
        {
            for (int n = 0; n < count; n++)
            {
                DropOne(options, n);
                if (n % 100 == 0)
                {
                    Lifetimes.Collect();
                }
            }
            while (streams.Counters.Streams + streams.Counters.Abandoned > 0)
            {
                Lifetimes.Collect();
                Thread.Yield();
            }
        }

        /// <summary>Apart, so that no variable of a method that runs on holds the stream.</summary>
        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void DropOne(IpcOptions options, int n)
        {
            int opening = n % 2 == 0 ? -1 : 1;
            IpcStream<int> stream = n % 5 == 0
                ? Ipc.PostUdsStream<int, int>("streams", opening, options)
                : Ipc.PostUdsStreamAsync<int, int>("streams", opening, options);
            switch (n % 3)
            {
                case 0: stream.Dispose(); break;
                case 1 when opening > 0:
                    foreach (int _ in stream) break;
                    break;
                default:
                    // Nobody has it any more.
                    _ = stream.SendAsync(n);
                    break;
            }
        }

        private static int Entries(string folder) => Directory.GetFileSystemEntries($"/proc/self/{folder}").Length;

        private static long Resident()
        {
            using Process process = Process.GetCurrentProcess();
            return process.WorkingSet64;
        }
    }
}
