using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>Streams whose sides are not equally fast, that race, and whose processes or owners go away.</summary>
    internal static class StreamFlow
    {
        /// <summary>What may wait on the receiving side, besides one item.</summary>
        private const int Window = 256 << 10;

        /// <summary>How many items of a size are sent while nobody takes one: the last may begin while there is any room.</summary>
        private static int Most(int size)
        {
            int cost = size + 16;
            return (Window + cost - 1) / cost;
        }

        [Test]
        internal static async Task handler_is_never_further_ahead_than_the_window_and_one_item()
        {
            using var scratch = new Scratch();
            foreach (int size in new[] { 0, 1000, 100_000, 1_000_000 })
            {
                long given = 0;
                IEnumerable<byte[]> Blocking(int n)
                {
                    for (; ; Interlocked.Increment(ref given))
                    {
                        yield return new byte[n];
                    }
                }
                async IAsyncEnumerable<byte[]> Later(int n)
                {
                    foreach (byte[] item in Blocking(n))
                    {
                        await Task.CompletedTask;
                        yield return item;
                    }
                }
                long most = Most(size);
                foreach (IpcListener listener in new[]
                {
                    Ipc.ListenUdsStream<int, byte[]>("ahead", Blocking, scratch.Options),
                    Ipc.ListenUdsRequest<int, byte[]>("ahead_later", Later, scratch.Options),
                })
                {
                    given = 0;
                    using IpcStream<byte[]> stream = Ipc.PostUdsStream<int, byte[]>(listener.Channel, size, scratch.Options);
                    // As much as may come comes, also while nobody takes it; `given` counts when the next one is asked for.
                    while (Interlocked.Read(ref given) < most)
                    {
                        Thread.Yield();
                    }
                    for (int look = 0; look < 50; look++)
                    {
                        await Task.Delay(1);
                        Check.True(Interlocked.Read(ref given) <= most, $"{Interlocked.Read(ref given)} items of {size} bytes were sent, {most} may");
                    }
                    for (int taken = 1; taken <= 300; taken++)
                    {
                        Check.Equal(size, (await stream.NextAsync())!.Value.Data.Length);
                        long now = Interlocked.Read(ref given);
                        Check.True(now <= most + taken, $"{now} items of {size} bytes were sent, {taken} taken");
                    }
                    listener.Dispose();
                }
            }
        }

        [Test]
        internal static async Task caller_is_never_further_ahead_than_the_window_and_one_item()
        {
            using var scratch = new Scratch();
            using var release = new SemaphoreSlim(0);
            using var slow = Ipc.ListenUdsStream<int, int>("slow", (_, context) =>
            {
                release.Wait();
                return new[] { context.Items<byte[]>().Count() };
            }, scratch.Options);
            foreach (int size in new[] { 0, 1000, 100_000 })
            {
                using IpcStream<int> stream = Ipc.PostUdsStream<int, int>("slow", 0, scratch.Options);
                int sent = 0;
                Check.Fails(IpcStatus.TimedOut, () =>
                {
                    for (; ; sent++)
                    {
                        stream.Send(new byte[size], TimeSpan.FromMilliseconds(20));
                    }
                });
                Check.Equal(Most(size), sent);
                // The first of these waits, and so do the others.
                ValueTask[] waiting = { stream.SendAsync(new byte[size]), stream.SendAsync(new byte[size]) };
                release.Release();
                foreach (ValueTask one in waiting)
                {
                    await one;
                }
                stream.End();
                Check.Equal(sent + 2, stream.Next()!.Value.Data);
            }
        }

        [Test]
        internal static async Task million_empty_items_wait_for_a_sleeping_reader_without_memory()
        {
            using var scratch = new Scratch();
            const int Items = 1_000_000;
            using var empty = Ipc.ListenUdsRequest<int, byte[]>("empty", Empty, scratch.Options);
            using IpcStream<byte[]> stream = Ipc.PostUdsStream<int, byte[]>("empty", Items, scratch.Options);
            using Process process = Process.GetCurrentProcess();
            Lifetimes.Collect();
            long before = process.WorkingSet64;
            await Task.Delay(200);
            process.Refresh();
            Check.True(process.WorkingSet64 - before < 32 << 20, "nothing grows while nobody reads");
            int count = 0;
            await foreach (byte[] item in stream)
            {
                count++;
            }
            Check.Equal(Items, count);
        }

        private static async IAsyncEnumerable<byte[]> Empty(int items)
        {
            await Task.CompletedTask;
            for (int n = 0; n < items; n++)
            {
                yield return Array.Empty<byte>();
            }
        }

        [Test]
        internal static async Task sends_that_nobody_awaits_keep_their_order_and_have_a_limit()
        {
            using var scratch = new Scratch();
            var release = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            using var slow = Ipc.ListenUdsRequest<int, string>("slow", async (_, context) =>
            {
                await release.Task;
                return string.Join(" ", (await Streams.ListAsync(context.Items<byte[]>())).Select(item => BitConverter.ToInt32(item, 0)));
            }, scratch.Options);
            using IpcStream<string> stream = Ipc.PostUdsStream<int, string>("slow", 0, scratch.Options);
            var sending = new List<Task>();
            IpcException? refused = null;
            for (int n = 0; refused is null; n++)
            {
                byte[] item = new byte[100_000];
                BitConverter.TryWriteBytes(item, n);
                Task one = stream.SendAsync(item).AsTask();
                if (one.IsFaulted)
                {
                    refused = await Check.FailsAsync(IpcStatus.OutOfResources, () => one);
                }
                else
                {
                    sending.Add(one);
                }
            }
            // 256 KiB and one item are on their way, 4 MiB wait.
            Check.Equal(3 + (4 << 20) / 100_016, sending.Count);
            release.SetResult(true);
            await Task.WhenAll(sending);
            stream.End();
            Check.Equal(string.Join(" ", Enumerable.Range(0, sending.Count)), (await stream.NextAsync())!.Value.Data);
        }

        [Test]
        internal static async Task cancel_that_races_an_item_loses_none()
        {
            using var scratch = new Scratch();
            using var echo = Ipc.ListenUdsRequest<int, int>("echo", (_, context) => context.Items<int>(), scratch.Options);
            await using IpcStream<int> stream = Ipc.PostUdsStreamAsync<int, int>("echo", 0, scratch.Options);
            int cancelled = 0;
            for (int n = 0; n < 500; n++)
            {
                using var source = new CancellationTokenSource();
                Task<IpcItem<int>?> call = stream.NextAsync(source.Token).AsTask();
                await stream.SendAsync(n);
                Task cancelling = Task.Run(source.Cancel);
                try
                {
                    Check.Equal(n, (await call)!.Value.Data);
                }
                catch (OperationCanceledException)
                {
                    cancelled++;
                    Check.Equal(n, (await stream.NextAsync())!.Value.Data);
                }
                await cancelling;
            }
            Console.WriteLine($"# {cancelled} of 500 waits were cancelled");
        }

        [Test]
        internal static void slow_stream_delays_no_other_and_no_request()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            using var all = Ipc.ListenUdsRequest<int, object>("all", n => n < 0 ? (object)Forever() : n, options);
            using IpcClient client = IpcClient.ConnectUds("all", scratch.Options);
            IpcStream<int>[] slow = Enumerable.Range(0, 50).Select(_ => client.StreamAsync<int, int>(-1)).ToArray();
            foreach (IpcStream<int> stream in slow)
            {
                Check.Equal(0, stream.Next()!.Value.Data);
            }
            Check.Equal(50L, all.Counters.Streams);
            for (int n = 0; n < 100; n++)
            {
                Check.Equal(n, client.Request<int, int>(n));
                Check.Equal(n, Ipc.PostUdsRequest<int, int>("all", n, scratch.Options));
            }
            foreach (IpcStream<int> stream in slow)
            {
                stream.Dispose();
            }
            while (all.Counters.Streams > 0)
            {
                Thread.Yield();
            }
        }

        internal static async IAsyncEnumerable<object> Forever()
        {
            await Task.CompletedTask;
            for (int n = 0; ; n++)
            {
                yield return n;
            }
        }

        [Test]
        internal static void stream_that_nobody_keeps_is_let_go_of()
        {
            using var scratch = new Scratch();
            using var all = Ipc.ListenUdsRequest<int, object>("all", _ => Forever(), scratch.Options);
            using var source = new CancellationTokenSource();
            Abandon(scratch.Options, source.Token);
            Check.True(all.Counters.Streams > 0, "some are open");
            while (all.Counters.Streams > 0)
            {
                Lifetimes.Collect();
                Thread.Yield();
            }
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void Abandon(IpcOptions options, CancellationToken token)
        {
            Check.Equal(0, Ipc.PostUdsStream<int, int>("all", 0, options).Next()!.Value.Data);
            Check.Equal(0, Ipc.PostUdsStreamAsync<int, int>("all", 0, options, token).NextAsync().GetAwaiter().GetResult()!.Value.Data);
        }

        [Test]
        internal static async Task gigabyte_goes_each_way_in_flat_memory()
        {
            using var scratch = new Scratch();
            using var child = new Child("both_ways", null, scratch.Path, "1024");
            (int code, string output, string errors) = await child.EndAsync();
            Check.Equal((0, ""), (code, errors));
            Console.WriteLine($"# {output} MiB more at most");
            // What the collector lets lie is part of it; of what was sent it would be a small piece only.
            Check.True(int.Parse(output) < 128, $"{output} MiB more");
        }

        [Test]
        internal static async Task ten_thousand_streams_that_are_opened_and_dropped_leave_nothing()
        {
            using var scratch = new Scratch();
            using var child = new Child("dropped", null, scratch.Path);
            (int code, string output, string errors) = await child.EndAsync();
            Check.Equal((0, ""), (code, errors));
            int[] grown = output.Split(' ').Select(int.Parse).ToArray();
            Console.WriteLine($"# {grown[0]} descriptors, {grown[1]} threads, {grown[2]} MiB more");
            // Up to 16 idle connections are kept, each with two ends here.
            Check.True(grown[0] <= 5 + 2 * 16 && grown[1] <= 20 && grown[2] < 40, $"{output} more descriptors, threads, MiB");
        }

        [Test]
        internal static async Task caller_that_is_killed_is_one_that_has_left()
        {
            using var scratch = new Scratch();
            using var cleaned = new SemaphoreSlim(0);
            async IAsyncEnumerable<int> Later(int name)
            {
                try
                {
                    await Task.CompletedTask;
                    for (int n = 0; ; n++)
                    {
                        yield return n;
                    }
                }
                finally
                {
                    cleaned.Release();
                }
            }
            using var forever = Ipc.ListenUdsRequest<int, int>("forever", Later, scratch.Options);
            using (var child = new Child("stream", null, scratch.Path))
            {
                Check.Equal("0", child.ReadLine());
                child.Kill();
            }
            cleaned.Wait();
            using (var child = new Child("stream", null, scratch.Path))
            {
                Check.Equal("0", child.ReadLine());
                using (Process kill = Process.Start("kill", $"-INT {child.Id}"))
                {
                    kill.WaitForExit();
                }
                cleaned.Wait();
                await child.EndAsync();
            }
        }

        /// <summary>Opens a stream, prints its first item, and holds it until it is killed.</summary>
        internal static int Hold(string directory)
        {
            using IpcStream<int> stream = Ipc.PostUdsStream<int, int>("forever", 0, new IpcOptions { Directory = directory });
            Console.WriteLine(stream.Next()!.Value.Data);
            Console.ReadLine();
            Thread.Sleep(Timeout.Infinite);
            return 0;
        }

        /// <summary>Answers one stream with an item, and holds it until it is killed.</summary>
        internal static int Serve(string directory)
        {
            using var served = Ipc.ListenUdsRequest<int, int>("served", (_, context) => OneOf(context), new IpcOptions { Directory = directory });
            Console.WriteLine("ready");
            Console.ReadLine();
            Thread.Sleep(Timeout.Infinite);
            return 0;
        }

        /// <summary>One item, and then nothing until the caller leaves.</summary>
        internal static async IAsyncEnumerable<int> OneOf(IpcContext context)
        {
            yield return 1;
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
        }

        [Test]
        internal static async Task listener_that_is_killed_is_a_lost_connection_after_its_items()
        {
            using var scratch = new Scratch();
            using var child = new Child("served", null, scratch.Path);
            Check.Equal("ready", child.ReadLine());
            using IpcStream<int> blocking = Ipc.PostUdsStream<int, int>("served", 0, scratch.Options);
            await using IpcStream<int> later = Ipc.PostUdsStreamAsync<int, int>("served", 0, scratch.Options);
            Check.Equal((1, 1), (blocking.Next()!.Value.Data, (await later.NextAsync())!.Value.Data));
            child.Kill();
            for (int time = 0; time < 2; time++)
            {
                Check.True(Check.Fails(IpcStatus.ConnectionLost, () => blocking.Next()).MayHaveBeenHandled, "it may have been handled");
                await Check.FailsAsync(IpcStatus.ConnectionLost, () => later.NextAsync().AsTask());
                Check.Fails(IpcStatus.ConnectionLost, () => blocking.Send(1));
            }
        }

        [Test]
        internal static async Task listener_that_closes_lets_streams_end_within_its_grace_and_cuts_off_the_others()
        {
            using var scratch = new Scratch();
            using var begun = new SemaphoreSlim(0);
            IpcOptions options = scratch.Options;
            options.Grace = TimeSpan.FromMinutes(4);
            IpcListener patient = Ipc.ListenUdsRequest<int, int>("patient", (_, context) => context.Items<int>(), options);
            IpcStream<int> stream = Ipc.PostUdsStream<int, int>("patient", 0, scratch.Options);
            Task closing = patient.CloseAsync();
            await stream.SendAsync(1);
            Check.Equal(1, (await stream.NextAsync())!.Value.Data);
            stream.End();
            Check.True(await stream.NextAsync() is null, "the end");
            await closing;
            options.Grace = TimeSpan.FromMilliseconds(1);
            IpcListener brief = Ipc.ListenUdsRequest<int, object>("brief", _ => Forever(), options);
            using IpcStream<int> endless = Ipc.PostUdsStream<int, int>("brief", 0, scratch.Options);
            Check.Equal(0, endless.Next()!.Value.Data);
            await brief.DisposeAsync();
            Check.Fails(IpcStatus.ConnectionLost, () => endless.Count());
        }
    }
}
