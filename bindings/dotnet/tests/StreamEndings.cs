using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>How streams end before their end: by the handler's failure, by their callers, by the listener, by a death.</summary>
    internal static class StreamEndings
    {
        private static IEnumerable<int> Failing(int n)
        {
            foreach (int i in Streams.Count(Math.Abs(n)))
            {
                yield return i;
            }
            throw n < 0 ? new FormatException("by mistake") : (Exception)new HandlerException("on purpose", "stopped", new { At = n });
        }

        private static async IAsyncEnumerable<int> FailingLater(int n)
        {
            foreach (int i in Failing(n))
            {
                await Task.Yield();
                yield return i;
            }
        }

        [Test]
        internal static async Task handlers_failure_comes_after_its_items_with_code_and_data_and_is_told_again()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var heard = new ConcurrentQueue<IpcHandlerFailure>();
            options.HandlerFailed = heard.Enqueue;
            using (Ipc.ListenUdsStream<int, int>("blocking", Failing, options))
            using (Ipc.ListenUdsRequest<int, int>("later", FailingLater, options))
            {
                foreach (string channel in new[] { "blocking", "later" })
                {
                    foreach (int n in new[] { 0, 3, 2000 })
                    {
                        using IpcStream<int> stream = Ipc.PostUdsStream<int, int>(channel, n, scratch.Options);
                        for (int i = 0; i < n; i++)
                        {
                            Check.Equal(i, stream.Next()!.Value.Data);
                        }
                        IpcException failure = Check.Fails(IpcStatus.HandlerFailed, () => stream.Next());
                        Check.Equal(("on purpose", "stopped", n, true), (failure.Message, failure.HandlerCode, failure.HandlerData!.Value.GetProperty("at").GetInt32(), failure.MayHaveBeenHandled));
                        await Check.FailsAsync(IpcStatus.HandlerFailed, () => stream.NextAsync().AsTask());
                        Check.Fails(IpcStatus.HandlerFailed, () => stream.Count());
                    }
                    Check.Equal("FormatException: by mistake", (await Check.FailsAsync(IpcStatus.HandlerFailed, () => Streams.ListAsync(Ipc.PostUdsStreamAsync<int, int>(channel, -2, scratch.Options)))).Message);
                }
            }
            Check.Equal("4 4 True", $"{heard.Count(it => it.Channel == "blocking")} {heard.Count(it => it.Channel == "later")} {heard.All(it => it.CallerTold)}");
        }

        [Test]
        internal static void sequence_that_is_none_or_that_cannot_be_sent_is_the_handlers_failure()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var heard = new BlockingCollection<Exception>();
            options.HandlerFailed = failure => heard.Add(failure.Exception);
            static IEnumerable<double> Unfit(int n)
            {
                yield return n;
                yield return double.NaN;
            }
            static IEnumerable<byte[]> Large(int n)
            {
                yield return new byte[1];
                yield return new byte[n];
            }
            using var none = Ipc.ListenUdsStream<int, int>("none", sequence: _ => null!, options);
            using var noneLater = Ipc.ListenUdsRequest<int, int>("none_later", sequence: _ => (IAsyncEnumerable<int>)null!, options);
            using var throws = Ipc.ListenUdsStream<int, int>("throws", sequence: _ => throw new FormatException("at once"), options);
            using var unfit = Ipc.ListenUdsStream<int, double>("unfit", Unfit, options);
            using var large = Ipc.ListenUdsStream<int, byte[]>("large", Large, options);
            foreach (string channel in new[] { "none", "none_later" })
            {
                Check.Contains("no sequence", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsStream<int, int>(channel, 1, scratch.Options).Count()).Message);
                Check.True(heard.Take() is InvalidOperationException, "told to its owner");
            }
            Check.Equal("FormatException: at once", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsStream<int, int>("throws", 1, scratch.Options).Count()).Message);
            Check.True(heard.Take() is FormatException, "told to its owner");
            using IpcStream<double> numbers = Ipc.PostUdsStream<int, double>("unfit", 1, scratch.Options);
            Check.Equal(1.0, numbers.Next()!.Value.Data);
            Check.Contains("cannot make JSON", Check.Fails(IpcStatus.HandlerFailed, () => numbers.Next()).Message);
            Check.Equal(IpcStatus.InvalidJson, ((IpcException)heard.Take()).Status);
            // A body that the handler does not take opens nothing.
            Check.True(!Check.Fails(IpcStatus.InvalidBody, () => Ipc.PostUdsStream<string, int>("throws", "x", scratch.Options).Count()).MayHaveBeenHandled, "not handled");
            IpcOptions small = scratch.Options;
            small.MaxMessage = 1000;
            using IpcStream<byte[]> bytes = Ipc.PostUdsStream<int, byte[]>("large", 2000, small);
            Check.Equal(1, bytes.Next()!.Value.Data.Length);
            Check.Fails(IpcStatus.TooLarge, () => bytes.Next());
            Check.Equal(IpcStatus.TooLarge, ((IpcException)heard.Take()).Status);
        }

        /// <summary>Tells of its cleanup.</summary>
        private sealed class Cleanup
        {
            private readonly BlockingCollection<string> heard = new BlockingCollection<string>();

            internal async IAsyncEnumerable<int> Forever(string name)
            {
                try
                {
                    for (int i = 0; ; i++)
                    {
                        yield return i;
                    }
                }
                finally
                {
                    heard.Add(name);
                    await Task.Yield();
                }
            }

            internal IEnumerable<int> ForeverBlocking(string name)
            {
                try
                {
                    for (int i = 0; ; i++)
                    {
                        yield return i;
                    }
                }
                finally
                {
                    heard.Add(name);
                }
            }

            internal async IAsyncEnumerable<int> Waiting(string name, [EnumeratorCancellation] CancellationToken token = default)
            {
                try
                {
                    yield return 0;
                    await Task.Delay(Timeout.Infinite, token);
                }
                finally
                {
                    heard.Add(name);
                }
            }

            internal async IAsyncEnumerable<int> Reading(string name, IpcContext context)
            {
                try
                {
                    yield return 0;
                    await foreach (int _ in context.Items<int>())
                    {
                    }
                }
                finally
                {
                    heard.Add(name);
                }
            }

            internal IEnumerable<int> ReadingBlocking(string name, IpcContext context)
            {
                try
                {
                    yield return 0;
                    foreach (int _ in context.Items<int>())
                    {
                    }
                }
                finally
                {
                    heard.Add(name);
                }
            }

            internal async Task<int> Single(string name, IpcContext context)
            {
                try
                {
                    return (await Streams.ListAsync(context.Items<int>())).Count;
                }
                finally
                {
                    heard.Add(name);
                }
            }

            internal string Take() => heard.Take();

            /// <summary>A listener for each; all of their failures are failures of the test.</summary>
            internal IpcListener[] Listen(IpcOptions options)
            {
                options.HandlerFailed = failure => heard.Add(failure.ToString());
                return new[]
                {
                    Ipc.ListenUdsRequest<string, int>("forever", Forever, options),
                    Ipc.ListenUdsStream<string, int>("forever_blocking", ForeverBlocking, options),
                    Ipc.ListenUdsRequest<string, int>("waiting", name => Waiting(name), options),
                    Ipc.ListenUdsRequest<string, int>("reading", Reading, options),
                    Ipc.ListenUdsStream<string, int>("reading_blocking", ReadingBlocking, options),
                };
            }
        }

        [Test]
        internal static async Task leaving_runs_the_handlers_cleanup_at_once_and_is_no_failure()
        {
            using var scratch = new Scratch();
            var cleanup = new Cleanup();
            foreach (IpcListener listener in cleanup.Listen(scratch.Options))
            {
                string channel = listener.Channel;
                foreach (int n in Ipc.PostUdsStream<string, int>(channel, "break", scratch.Options))
                {
                    break;
                }
                Check.Equal("break", cleanup.Take());
                await foreach (int n in Ipc.PostUdsStreamAsync<string, int>(channel, "await break", scratch.Options))
                {
                    break;
                }
                Check.Equal("await break", cleanup.Take());
                // Between reads, and without one.
                IpcStream<int> stream = Ipc.PostUdsStream<string, int>(channel, "close", scratch.Options);
                stream.Close();
                stream.Close();
                Check.Equal("close", cleanup.Take());
                Check.True(stream.Next() is null && await stream.NextAsync() is null, "the end");
                Check.Fails(IpcStatus.Closed, () => stream.Send(1));
                stream.Dispose();
                stream.Dispose();
                Check.True(stream.Next() is null && await stream.NextAsync() is null, "the end");
                Check.Fails(IpcStatus.Closed, () => stream.Send(1));
                await Check.FailsAsync(IpcStatus.Closed, () => stream.SendAsync(1).AsTask());
                stream.End();
                using (var source = new CancellationTokenSource())
                {
                    IpcStream<int> cancelled = Ipc.PostUdsStreamAsync<string, int>(channel, "token", scratch.Options, source.Token);
                    Check.Equal(0, (await cancelled.NextAsync())!.Value.Data);
                    source.Cancel();
                    Check.Equal("token", cleanup.Take());
                    Check.Equal(source.Token, (await Check.ThrowsAsync<OperationCanceledException>(() => Drain(cancelled))).CancellationToken);
                    Check.Throws<OperationCanceledException>(() => cancelled.Next());
                    Check.Throws<OperationCanceledException>(() => cancelled.Send(1));
                    await Check.ThrowsAsync<OperationCanceledException>(() => cancelled.SendAsync(1).AsTask());
                }
                // Nothing is left of them.
                while (listener.Counters.Streams + listener.Counters.Abandoned + listener.Counters.InFlight > 0)
                {
                    Thread.Yield();
                }
                Check.Equal(0L, listener.Counters.Failed);
                listener.Close();
            }
        }

        private static async Task Drain(IpcStream<int> stream)
        {
            while (await stream.NextAsync() != null)
            {
            }
        }

        [Test]
        internal static void handler_with_one_answer_hears_at_the_callers_items_that_it_has_left()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var cleanup = new Cleanup();
            var failed = new ConcurrentQueue<IpcHandlerFailure>();
            options.HandlerFailed = failed.Enqueue;
            using (IpcListener single = Ipc.ListenUdsRequest<string, int>("single", cleanup.Single, options))
            {
                using (IpcStream<int> stream = Ipc.PostUdsStream<string, int>("single", "left", scratch.Options))
                {
                    stream.Send(1);
                }
                Check.Equal("left", cleanup.Take());
                while (single.Counters.Abandoned + single.Counters.InFlight > 0)
                {
                    Thread.Yield();
                }
            }
            Check.Equal(0, failed.Count);
        }

        [Test]
        internal static async Task listener_that_ends_first_ends_the_sending_and_its_items_are_still_taken()
        {
            using var scratch = new Scratch();
            static IEnumerable<string> First(int n, IpcContext context)
            {
                yield return string.Concat(context.Items<int>().Take(n));
                yield return "done";
            }
            using var first = Ipc.ListenUdsStream<int, string>("first", First, scratch.Options);
            using IpcStream<string> stream = Ipc.PostUdsStream<int, string>("first", 3, scratch.Options);
            int sent = 0;
            IpcException closed = Check.Fails(IpcStatus.Closed, () =>
            {
                for (; ; sent++)
                {
                    stream.Send(sent);
                }
            });
            Check.True(sent >= 3, closed.Message);
            await Check.FailsAsync(IpcStatus.Closed, () => stream.SendAsync(1).AsTask());
            Check.Equal("012 done", string.Join(" ", stream));
            stream.End();
        }

        [Test]
        internal static async Task next_and_send_take_a_time_and_a_token_of_their_own_and_the_stream_goes_on()
        {
            using var scratch = new Scratch();
            var release = new SemaphoreSlim(0);
            static async IAsyncEnumerable<int> Late(SemaphoreSlim release, IpcContext context)
            {
                await release.WaitAsync();
                int count = 0;
                await foreach (byte[] _ in context.Items<byte[]>())
                {
                    count++;
                }
                yield return count;
            }
            using var late = Ipc.ListenUdsRequest<int, int>("late", (_, context) => Late(release, context), scratch.Options);
            using IpcStream<int> stream = Ipc.PostUdsStream<int, int>("late", 0, scratch.Options);
            Check.Fails(IpcStatus.TimedOut, () => stream.Next(TimeSpan.Zero));
            Check.Fails(IpcStatus.TimedOut, () => stream.Next(TimeSpan.FromMilliseconds(20)));
            Check.Fails(IpcStatus.InvalidArgument, () => stream.Next(TimeSpan.FromSeconds(-5)));
            int sent = 0;
            // Until there is no room.
            Check.Fails(IpcStatus.TimedOut, () =>
            {
                for (; ; sent++)
                {
                    stream.Send(new byte[100_000], TimeSpan.Zero);
                }
            });
            Check.Fails(IpcStatus.TimedOut, () => stream.Send(new byte[100_000], TimeSpan.FromMilliseconds(20)));
            using var source = new CancellationTokenSource();
            Task<OperationCanceledException>[] ended =
            {
                Task.Factory.StartNew(() => Check.Throws<OperationCanceledException>(() => stream.Next(Timeout.InfiniteTimeSpan, source.Token)), TaskCreationOptions.LongRunning),
                Task.Factory.StartNew(() => Check.Throws<OperationCanceledException>(() => stream.Send(new byte[100_000], Timeout.InfiniteTimeSpan, source.Token)), TaskCreationOptions.LongRunning),
                Check.ThrowsAsync<OperationCanceledException>(() => stream.NextAsync(source.Token).AsTask()),
                Check.ThrowsAsync<OperationCanceledException>(() => stream.SendAsync(new byte[100_000], source.Token).AsTask()),
            };
            source.Cancel();
            foreach (OperationCanceledException one in await Task.WhenAll(ended))
            {
                Check.Equal(source.Token, one.CancellationToken);
            }
            await Check.ThrowsAsync<OperationCanceledException>(() => stream.NextAsync(source.Token).AsTask());
            await Check.ThrowsAsync<OperationCanceledException>(() => stream.SendAsync(new byte[1], source.Token).AsTask());
            Check.Throws<OperationCanceledException>(() => stream.Send(new byte[1], TimeSpan.Zero, source.Token));
            release.Release();
            stream.Send(new byte[100_000]);
            await stream.SendAsync(new byte[1], default);
            stream.End();
            Check.Equal(sent + 2, stream.Next()!.Value.Data);
            Check.True(await stream.NextAsync() is null, "the end");
        }

        [Test]
        internal static async Task close_of_another_thread_ends_what_waits()
        {
            using var scratch = new Scratch();
            using var silent = Ipc.ListenUdsRequest<int, int>("silent", (_, context) => Silent(context), scratch.Options);
            for (int round = 0; round < 50; round++)
            {
                using IpcStream<int> stream = Ipc.PostUdsStream<int, int>("silent", 0, scratch.Options);
                using var begun = new CountdownEvent(3);
                Task<int>[] loops =
                {
                    Task.Factory.StartNew(() => { begun.Signal(); return stream.Count(); }, TaskCreationOptions.LongRunning),
                    Task.Run(async () => { begun.Signal(); return (await Streams.ListAsync(stream)).Count; }),
                    Task.Factory.StartNew(() => { begun.Signal(); return Sends(stream); }, TaskCreationOptions.LongRunning),
                };
                begun.Wait();
                if (round % 2 == 0)
                {
                    stream.Close();
                }
                else
                {
                    await stream.DisposeAsync();
                }
                Check.Equal(0, (await Task.WhenAll(loops)).Sum());
            }
            while (silent.Counters.Streams > 0)
            {
                Thread.Yield();
            }
        }

        private static int Sends(IpcStream<int> stream)
        {
            Check.Fails(IpcStatus.Closed, () =>
            {
                while (true)
                {
                    stream.Send(new byte[50_000]);
                }
            });
            return 0;
        }

        internal static async IAsyncEnumerable<int> Silent(IpcContext context, [EnumeratorCancellation] CancellationToken token = default)
        {
            await Task.Delay(Timeout.Infinite, token);
            yield return context.IsStream ? 1 : 0;
        }

        [Test]
        internal static async Task idle_timeout_and_timeout_end_a_stream()
        {
            using var scratch = new Scratch();
            using var silent = Ipc.ListenUdsRequest<int, int>("silent", (_, context) => Silent(context), scratch.Options);
            using var endless = Ipc.ListenUdsRequest<int, int>("endless", n => Streams.CountLater(n), scratch.Options);
            IpcOptions brief = scratch.Options;
            // Far longer than the acceptance of a stream takes, which it limits, too.
            brief.IdleTimeout = TimeSpan.FromSeconds(1);
            using (IpcStream<int> stream = Ipc.PostUdsStream<int, int>("silent", 0, brief))
            {
                Check.Fails(IpcStatus.TimedOut, () => stream.Next());
                await Check.FailsAsync(IpcStatus.TimedOut, () => stream.NextAsync().AsTask());
            }
            await Check.FailsAsync(IpcStatus.TimedOut, () => Streams.ListAsync(Ipc.PostUdsStreamAsync<int, int>("silent", 0, brief)));
            IpcOptions whole = scratch.Options;
            whole.Timeout = TimeSpan.FromMilliseconds(100);
            await Check.FailsAsync(IpcStatus.TimedOut, () => Streams.ListAsync(Ipc.PostUdsStreamAsync<int, int>("endless", int.MaxValue, whole)));
            Check.Fails(IpcStatus.InvalidArgument, () => Ipc.PostUdsStream<int, int>("silent", 0, new IpcOptions { IdleTimeout = TimeSpan.FromSeconds(-3) }));
        }

        [Test]
        internal static async Task what_cannot_be_opened_says_why()
        {
            using var scratch = new Scratch();
            using var count = Ipc.ListenUdsRequest<int, int>("count", Streams.CountLater, scratch.Options);
            IpcOptions deno = scratch.Options;
            deno.Wire = IpcWire.Deno;
            Check.True(!Check.Fails(IpcStatus.UnsupportedVersion, () => Ipc.PostUdsStream<int, int>("count", 1, deno)).MayHaveBeenHandled, "not handled");
            Check.Fails(IpcStatus.NotListening, () => Ipc.PostUdsStream<int, int>("nobody", 1, scratch.Options));
            await Check.FailsAsync(IpcStatus.NotListening, async () => await Streams.ListAsync(Ipc.PostUdsStreamAsync<int, int>("nobody", 1, scratch.Options)));
            Check.Fails(IpcStatus.InvalidName, () => Ipc.PostUdsStream<int, int>("no.name", 1, scratch.Options));
            Check.Fails(IpcStatus.InvalidPort, () => Ipc.PostIpStreamAsync<int, int>(0, 1, scratch.Options));
            Check.Fails(IpcStatus.InvalidJson, () => Ipc.PostUdsStream<double, int>("count", double.NaN, scratch.Options));
            Check.Throws<ArgumentNullException>(() => Ipc.ListenUdsStream<int, int>("null", (Func<int, IEnumerable<int>>)null!, scratch.Options));
            var token = new CancellationToken(true);
            Check.Equal(token, Check.Throws<OperationCanceledException>(() => Ipc.PostUdsStream<int, int>("count", 1, scratch.Options, token)).CancellationToken);
            Check.Equal(token, Check.Throws<OperationCanceledException>(() => Ipc.PostUdsStreamAsync<int, int>("count", 1, scratch.Options, token)).CancellationToken);
            using (IpcStream<int> stream = Ipc.PostUdsStream<int, int>("count", 1, scratch.Options))
            {
                Check.Fails(IpcStatus.InvalidJson, () => stream.Send(double.NaN));
                await Check.FailsAsync(IpcStatus.InvalidJson, () => stream.SendAsync(double.NaN).AsTask());
                Check.Fails(IpcStatus.TooLarge, () => stream.Send(new byte[(64 << 20) + 1]));
                // It goes on.
                Check.Equal(1, stream.Count());
            }
            IpcClient client = IpcClient.ConnectUds("count", scratch.Options);
            using IpcStream<int> outlives = client.Stream<int, int>(2);
            client.Dispose();
            Check.Fails(IpcStatus.Closed, () => client.Stream<int, int>(2));
            Check.Fails(IpcStatus.Closed, () => client.StreamAsync<int, int>(2));
            Check.Equal(2, outlives.Count());
        }
    }
}
