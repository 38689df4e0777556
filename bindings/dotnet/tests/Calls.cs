using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    internal static class Calls
    {
        public sealed class Point
        {
            public int X { get; set; }
            public string? Name { get; set; }
        }

        [Test]
        internal static async Task every_call_of_the_eight_works_blocking_and_asynchronously()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var arrived = new BlockingCollection<string>();

            using (IpcListener uds = Ipc.ListenUdsRequest<string, string>("calls", data => data + "!", options))
            {
                Check.Equal("a!", Ipc.PostUdsRequest<string, string>("calls", "a", options));
                Check.Equal("b!", await Ipc.PostUdsRequestAsync<string, string>("calls", "b", options));
                Check.Equal("calls", uds.Channel);
                Check.True(uds.Path!.StartsWith(scratch.Path), uds.Path!);
                Check.Equal(uds.Path!, uds.Address);
                Check.Equal((int?)null, uds.Port);
                Check.Equal(2L, uds.Counters.Messages);
            }
            await using (await Ipc.ListenUdsRequestAsync<string, string>("calls", async data => { await Task.Yield(); return data + "?"; }, options))
            {
                Check.Equal("a?", Ipc.PostUdsRequest<string, string>("calls", "a", options));
            }
            using (IpcListener ip = Ipc.ListenIpRequest<string, string>(0, data => data + "!", options))
            {
                Check.True(ip.Port > 0 && ip.Path is null, "a port and no path");
                Check.Equal("a!", Ipc.PostIpRequest<string, string>(ip.Port!.Value, "a", options));
                Check.Equal("b!", await Ipc.PostIpRequestAsync<string, string>(ip.Port!.Value, "b", options));
            }
            await using (IpcListener ip = await Ipc.ListenIpRequestAsync<string, string>(0, data => Task.FromResult(data), options))
            {
                Check.Equal("c", Ipc.PostIpRequest<string, string>(ip.Port!.Value, "c", options));
            }
            using (Ipc.ListenUdsBroadcast<string>("calls", data => arrived.Add(data), options))
            {
                Ipc.PostUdsBroadcast("calls", "d", options);
                await Ipc.PostUdsBroadcastAsync("calls", "e", options);
                Check.Equal("d", arrived.Take());
                Check.Equal("e", arrived.Take());
            }
            await using (await Ipc.ListenUdsBroadcastAsync<string>("calls", async data => { await Task.Yield(); arrived.Add(data); }, options))
            {
                Ipc.PostUdsBroadcast("calls", "f", options);
                Check.Equal("f", arrived.Take());
            }
            using (IpcListener ip = Ipc.ListenIpBroadcast<string>(0, data => arrived.Add(data), options))
            {
                Ipc.PostIpBroadcast(ip.Port!.Value, "g", options);
                await Ipc.PostIpBroadcastAsync(ip.Port!.Value, "h", options);
                Check.Equal("g", arrived.Take());
                Check.Equal("h", arrived.Take());
            }
            await using (IpcListener ip = await Ipc.ListenIpBroadcastAsync<string>(0, data => { arrived.Add(data); return Task.CompletedTask; }, options))
            {
                Ipc.PostIpBroadcast(ip.Port!.Value, "i", options);
                Check.Equal("i", arrived.Take());
            }
        }

        [Test]
        internal static void every_shape_of_handler_is_called()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            int me = System.Diagnostics.Process.GetCurrentProcess().Id;
            using var a = Ipc.ListenUdsRequest<int, int>("a", n => n + 1, options);
            using var b = Ipc.ListenUdsRequest<int, int>("b", async n => { await Task.Yield(); return n + 2; }, options);
            using var c = Ipc.ListenUdsRequest<int, int?>("c", (n, context) => context.Peer.ProcessId, options);
            using var d = Ipc.ListenUdsRequest<int, bool>("d", async (n, context) => { await Task.Yield(); return context.TimeLeft > TimeSpan.Zero; }, options);
            Check.Equal(2, Ipc.PostUdsRequest<int, int>("a", 1, options));
            Check.Equal(3, Ipc.PostUdsRequest<int, int>("b", 1, options));
            Check.Equal((int?)me, Ipc.PostUdsRequest<int, int?>("c", 1, options));
            Check.Equal(true, Ipc.PostUdsRequest<int, bool>("d", 1, options));

            var arrived = new BlockingCollection<string>();
            using var e = Ipc.ListenUdsBroadcast<int>("e", n => { arrived.Add("e" + n); }, options);
            using var f = Ipc.ListenUdsBroadcast<int>("f", async n => { await Task.Yield(); arrived.Add("f" + n); }, options);
            using var g = Ipc.ListenUdsBroadcast<int>("g", (n, context) => { arrived.Add("g" + (context.Peer.ProcessId == me)); }, options);
            using var h = Ipc.ListenUdsBroadcast<int>("h", async (n, context) => { await Task.Yield(); arrived.Add("h" + (context.Peer.ProcessId == me)); }, options);
            foreach (string channel in new[] { "e", "f", "g", "h" })
            {
                Ipc.PostUdsBroadcast(channel, 7, options);
            }
            Check.Equal("e7 f7 gTrue hTrue", string.Join(" ", Enumerable.Range(0, 4).Select(_ => arrived.Take()).OrderBy(text => text, StringComparer.Ordinal)));
        }

        [Test]
        internal static void values_arrive_as_they_were_sent()
        {
            using var scratch = new Scratch();
            using var echo = Ipc.ListenUdsRequest<IpcMessage, IpcMessage>("echo", data => data, scratch.Options);
            using IpcClient client = IpcClient.ConnectUds("echo", scratch.Options);
            foreach (string text in new[] { "", "plain", "häß \U0001F600", "a\0b", "\"quoted\"\\\n" })
            {
                Check.Equal(text, client.Request<string, string>(text));
            }
            foreach (double number in new[] { 0, 1e308, 9007199254740991.0, -9007199254740991.0, 0.1 })
            {
                Check.Equal(number, client.Request<double, double>(number));
            }
            Check.Equal(9007199254740993L, client.Request<long, long>(9007199254740993L));
            Check.Equal(double.NegativeInfinity, 1 / client.Request<double, double>(-0.0));
            Check.Equal<string?>(null, client.Request<string?, string?>(null));
            Check.Equal(true, client.Request<bool, bool>(true));
            Point point = client.Request<Point, Point>(new Point { X = 3, Name = "ä" });
            Check.Equal((3, "ä"), (point.X, point.Name!));
            Check.Equal("{\"a\":[1,{\"b\":null}]}", client.Request<JsonElement, JsonElement>(JsonDocument.Parse("{\"a\":[1,{\"b\":null}]}").RootElement).ToString());
            Check.Equal("\"\\ud800\"", client.Request<IpcMessage, IpcMessage>(IpcMessage.FromJson("\"\\ud800\"")).Text);
            Check.Equal("[1, 2]", client.Request<IpcMessage, IpcMessage>(IpcMessage.FromJson("[1, 2]")).Text);
            Check.Equal("\"<ä>\"", client.Request<string, IpcMessage>("<ä>").Text);
        }

        [Test]
        internal static async Task bytes_travel_in_all_sizes()
        {
            using var scratch = new Scratch();
            using var echo = Ipc.ListenUdsRequest<byte[], ReadOnlyMemory<byte>>("echo", data => data, scratch.Options);
            using IpcClient client = IpcClient.ConnectUds("echo", scratch.Options);
            foreach (int size in new[] { 0, 1, 1 << 20, 64 << 20 })
            {
                byte[] data = new byte[size];
                new Random(size).NextBytes(data);
                Check.True(client.Request<byte[], byte[]>(data).AsSpan().SequenceEqual(data), $"{size} bytes");
                Check.True((await client.RequestAsync<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>(data)).Span.SequenceEqual(data), $"{size} bytes later");
            }
            Check.True((await client.RequestAsync<ArraySegment<byte>, Memory<byte>>(new byte[] { 1, 2 })).Span.SequenceEqual(new byte[] { 1, 2 }), "a segment");
            await Check.FailsAsync(IpcStatus.TooLarge, () => client.RequestAsync<byte[], byte[]>(new byte[(64 << 20) + 1]));
        }

        [Test]
        internal static async Task hundred_calls_run_at_once()
        {
            using var scratch = new Scratch();
            var gate = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            int inside = 0;
            using var listener = Ipc.ListenUdsRequest<int, int>("many", async n =>
            {
                if (Interlocked.Increment(ref inside) == 100)
                {
                    gate.SetResult(true);
                }
                await gate.Task;
                return n * n;
            }, scratch.Options);
            await using IpcClient client = await IpcClient.ConnectUdsAsync("many", scratch.Options);
            int[] squares = await Task.WhenAll(Enumerable.Range(0, 100).Select(n => client.RequestAsync<int, int>(n)));
            Check.Equal(328350, squares.Sum());
        }

        [Test]
        internal static void blocking_calls_of_many_threads_get_their_own_answers()
        {
            using var scratch = new Scratch();
            using var listener = Ipc.ListenUdsRequest<int, int>("many", n => -n, scratch.Options);
            using IpcClient client = IpcClient.ConnectUds("many", scratch.Options);
            var wrong = new ConcurrentQueue<string>();
            Thread[] threads = Enumerable.Range(0, 8).Select(thread => new Thread(() =>
            {
                for (int n = thread * 1000; n < thread * 1000 + 500; n++)
                {
                    int got = client.Request<int, int>(n);
                    if (got != -n)
                    {
                        wrong.Enqueue($"{n}: {got}");
                    }
                }
            })).ToArray();
            foreach (Thread thread in threads) thread.Start();
            foreach (Thread thread in threads) thread.Join();
            Check.Equal("", string.Join(", ", wrong));
        }

        [Test]
        internal static async Task client_sends_broadcasts_in_order_and_flush_waits_for_them()
        {
            using var scratch = new Scratch();
            var arrived = new List<int>();
            using var listener = Ipc.ListenUdsBroadcast<int>("cast", async n => { await Task.Yield(); arrived.Add(n); }, scratch.Options);
            using (IpcClient client = IpcClient.ConnectPath(listener.Path!, scratch.Options))
            {
                for (int n = 0; n < 1000; n++)
                {
                    client.Broadcast(n);
                }
                client.Flush();
                Check.True(arrived.SequenceEqual(Enumerable.Range(0, 1000)), "in order");
                for (int n = 1000; n < 1100; n++)
                {
                    await client.BroadcastAsync(n);
                }
                await client.FlushAsync();
                Check.True(arrived.SequenceEqual(Enumerable.Range(0, 1100)), "in order, asynchronously");
                Check.True(client.Ping() > TimeSpan.Zero && await client.PingAsync() > TimeSpan.Zero, "ping");
                client.Broadcast(1100);
                client.Close();
            }
            Check.Equal(1101, arrived.Count);
        }

        [Test]
        internal static async Task what_goes_on_after_a_call_may_block_until_another_call_is_answered()
        {
            using var scratch = new Scratch();
            using var listener = Ipc.ListenUdsRequest<int, int>("blocks", n => n, scratch.Options);
            using var client = IpcClient.ConnectUds("blocks", scratch.Options);
            // As many threads as block here: on a busy machine the pool makes each further one seconds after the one before.
            ThreadPool.GetMinThreads(out int threads, out int ports);
            ThreadPool.SetMinThreads(Math.Max(threads, 16), ports);
            for (int round = 0; round < 5; round++)
            {
                // Answers come in batches. Each waits for the one after it, and the last of all for one that is not sent yet.
                var answered = Enumerable.Range(0, 9).Select(_ => new ManualResetEventSlim()).ToArray();
                var lanes = Enumerable.Range(0, 8).Select(async n =>
                {
                    int answer = await client.RequestAsync<int, int>(n).ConfigureAwait(false);
                    Check.True(n % 4 != 0 || answered[n + 1].Wait(TimeSpan.FromMinutes(1)), "the answer behind it is told meanwhile");
                    Check.Equal(100 + n, client.RequestAsync<int, int>(100 + n).GetAwaiter().GetResult());
                    answered[n].Set();
                    return answer;
                }).ToArray();
                Check.True((await Task.WhenAll(lanes)).SequenceEqual(Enumerable.Range(0, 8)), "each call has its own answer");
            }
        }

        [Test]
        internal static async Task any_number_of_calls_in_flight_each_get_their_own_answer_or_error()
        {
            using var scratch = new Scratch();
            using var listener = Ipc.ListenUdsRequest<int, int>(
                "many", n => n % 7 == 0 ? throw new HandlerException($"no {n}", "seven") : n, scratch.Options);
            using var client = IpcClient.ConnectUds("many", scratch.Options);
            var lanes = Enumerable.Range(0, 3000).Select(async n =>
            {
                try
                {
                    return await client.RequestAsync<int, int>(n);
                }
                catch (IpcException failed) when (failed.Status == IpcStatus.HandlerFailed)
                {
                    Check.True(failed.Message.EndsWith($"no {n}"), failed.Message);
                    return -n;
                }
            }).ToArray();
            int[] answers = await Task.WhenAll(lanes);
            Check.True(answers.SequenceEqual(Enumerable.Range(0, 3000).Select(n => n % 7 == 0 ? -n : n)), "each its own");
        }

        [Test]
        internal static void channels_lists_who_listens()
        {
            using var scratch = new Scratch();
            Check.Equal(0, Ipc.Channels(scratch.Path).Count);
            using var listener = Ipc.ListenUdsBroadcast<string>("listed", _ => { }, scratch.Options);
            IpcChannel found = Ipc.Channels(scratch.Path).Single();
            Check.Equal(("listed", listener.Path!, false), (found.Channel, found.Address, found.TakesRequests));
            Check.Equal((System.Diagnostics.Process.GetCurrentProcess().Id, Ipc.Version), (found.ProcessId, found.Version));
            Check.True(found.Started <= DateTimeOffset.UtcNow && found.Started > DateTimeOffset.UtcNow.AddHours(-1), $"{found.Started}");
            Check.Fails(IpcStatus.NoDirectory, () => Ipc.Channels(scratch.Path + "/absent"));
        }
    }
}
