using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>How a subscription waits, ends, and finds its publisher again.</summary>
    internal static class Subscriptions
    {
        /// <summary>The publisher hears of an end in its own time; a test that fails waits for the watchdog here.</summary>
        private static void AwaitSubscribers(IpcListener listener, long number)
        {
            while (listener.Counters.Subscribers != number)
            {
                Thread.Yield();
            }
        }

        [Test]
        internal static async Task leaving_the_loop_ends_the_subscription()
        {
            using var scratch = new Scratch();
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            IpcSubscription<int> blocking = Ipc.SubscribeUds<int>("clock", scratch.Options);
            IpcAsyncSubscription<int> later = await Ipc.SubscribeUdsAsync<int>("clock", scratch.Options);
            AwaitSubscribers(clock, 2);
            clock.Publish(1);
            clock.Publish(2);
            foreach (IpcEvent<int> number in blocking)
            {
                Check.Equal(1, number.Data);
                break;
            }
            AwaitSubscribers(clock, 1);
            Check.True(blocking.Next() is null, "the end");
            Check.Equal(0, blocking.Count());
            await foreach (IpcEvent<int> number in later)
            {
                Check.Equal(1, number.Data);
                break;
            }
            AwaitSubscribers(clock, 0);
            Check.True(await later.NextAsync() is null, "the end");
            await foreach (IpcEvent<int> number in later)
            {
                throw new Exception($"got {number.Data} after the end");
            }
            Check.Equal("1 2", string.Join(" ", Published(clock, Ipc.SubscribeUds<int>("clock", scratch.Options)).Select(number => number.Data)));
            AwaitSubscribers(clock, 0);
        }

        private static IEnumerable<IpcEvent<int>> Published(IpcListener clock, IpcSubscription<int> subscription)
        {
            clock.Publish(1);
            clock.Publish(2);
            return subscription.Take(2);
        }

        [Test]
        internal static async Task close_and_dispose_of_another_thread_end_what_waits()
        {
            using var scratch = new Scratch();
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            for (int round = 0; round < 50; round++)
            {
                using var source = new CancellationTokenSource();
                var blocking = new[] { Ipc.SubscribeUds<int>("clock", scratch.Options), Ipc.SubscribeUds<int>("clock", scratch.Options) };
                var later = new[] { await Ipc.SubscribeUdsAsync<int>("clock", scratch.Options), await Ipc.SubscribeUdsAsync<int>("clock", scratch.Options) };
                using var begun = new CountdownEvent(3);
                Task<int>[] loops =
                {
                    Task.Factory.StartNew(() => { begun.Signal(); return blocking[0].Count(); }, TaskCreationOptions.LongRunning),
                    Task.Factory.StartNew(() => { begun.Signal(); return blocking[1].Next(TimeSpan.FromMinutes(5), source.Token) is null ? 0 : 1; }, TaskCreationOptions.LongRunning),
                    CountAsync(later[0]),
                    Task.Run(async () => { begun.Signal(); return await later[1].NextAsync() is null ? 0 : 1; }),
                };
                begun.Wait();
                blocking[0].Close();
                blocking[1].Dispose();
                later[0].Close();
                await later[1].DisposeAsync();
                Check.Equal(0, (await Task.WhenAll(loops)).Sum());
                // A second time, and after it, they are silent.
                blocking[0].Dispose();
                blocking[1].Close();
                blocking[1].Dispose();
                later[0].Dispose();
                later[1].Close();
                Check.True(blocking[1].Next() is null && await later[1].NextAsync() is null, "the end");
            }
            AwaitSubscribers(clock, 0);
        }

        private static async Task<int> CountAsync(IpcAsyncSubscription<int> subscription)
        {
            int count = 0;
            await foreach (IpcEvent<int> _ in subscription)
            {
                count++;
            }
            return count;
        }

        [Test]
        internal static async Task next_takes_a_time_and_a_token_of_its_own_and_the_subscription_goes_on()
        {
            using var scratch = new Scratch();
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            using IpcSubscription<int> blocking = Ipc.SubscribeUds<int>("clock", scratch.Options);
            await using IpcAsyncSubscription<int> later = await Ipc.SubscribeUdsAsync<int>("clock", scratch.Options);
            Check.Fails(IpcStatus.TimedOut, () => blocking.Next(TimeSpan.Zero));
            Check.Fails(IpcStatus.TimedOut, () => blocking.Next(TimeSpan.FromMilliseconds(20)));
            Check.Fails(IpcStatus.InvalidArgument, () => blocking.Next(TimeSpan.FromSeconds(-5)));
            using var source = new CancellationTokenSource();
            Check.Fails(IpcStatus.TimedOut, () => blocking.Next(TimeSpan.FromMilliseconds(20), source.Token));
            Task<OperationCanceledException> ended = Task.Factory.StartNew(() => Check.Throws<OperationCanceledException>(() => blocking.Next(Timeout.InfiniteTimeSpan, source.Token)), TaskCreationOptions.LongRunning);
            Task<IpcEvent<int>?> waiting = later.NextAsync(source.Token).AsTask();
            Task loop = Check.ThrowsAsync<OperationCanceledException>(async () =>
            {
                await using IpcAsyncSubscription<int> third = await Ipc.SubscribeUdsAsync<int>("clock", scratch.Options);
                await foreach (IpcEvent<int> number in third.WithCancellation(source.Token))
                {
                    throw new Exception($"got {number.Data}");
                }
            });
            source.Cancel();
            Check.Equal(source.Token, (await ended).CancellationToken);
            await Check.ThrowsAsync<OperationCanceledException>(() => waiting);
            await loop;
            await Check.ThrowsAsync<OperationCanceledException>(() => later.NextAsync(source.Token).AsTask());
            clock.Publish(1);
            Check.Equal(1, blocking.Next(TimeSpan.FromMinutes(5))!.Data);
            using var other = new CancellationTokenSource();
            Check.Equal(1, (await later.NextAsync(other.Token))!.Data);
        }

        [Test]
        internal static async Task cancel_that_races_an_event_loses_none()
        {
            using var scratch = new Scratch();
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            await using IpcAsyncSubscription<int> events = await Ipc.SubscribeUdsAsync<int>("clock", scratch.Options);
            int next = 0, cancelled = 0;
            for (int n = 0; n < 500; n++)
            {
                using var source = new CancellationTokenSource();
                Task<IpcEvent<int>?> call = events.NextAsync(source.Token).AsTask();
                Task cancelling = Task.Run(source.Cancel);
                // About as long as the other task takes to begin, and longer from round to round.
                Thread.SpinWait(n * 2);
                clock.Publish(n);
                try
                {
                    Check.Equal(next, (await call)!.Data);
                    next++;
                }
                catch (OperationCanceledException)
                {
                    cancelled++;
                    IpcEvent<int> event_ = (await events.NextAsync())!;
                    Check.Equal((next++, 0L), (event_.Data, event_.Missed));
                }
                await cancelling;
            }
            Check.Equal(500, next);
            Console.WriteLine($"# {cancelled} of 500 waits were cancelled");
        }

        [Test]
        internal static async Task subscribing_can_be_given_up()
        {
            using var scratch = new Scratch();
            IpcOptions patient = scratch.Options;
            patient.Wait = TimeSpan.FromHours(1);
            using var source = new CancellationTokenSource();
            Task<IpcAsyncSubscription<int>> later = Ipc.SubscribeUdsAsync<int>("clock", patient, source.Token);
            Task<OperationCanceledException> blocking = Task.Factory.StartNew(() => Check.Throws<OperationCanceledException>(() => Ipc.SubscribeUds<int>("clock", patient, source.Token)), TaskCreationOptions.LongRunning);
            source.Cancel();
            await Check.ThrowsAsync<OperationCanceledException>(() => later);
            await blocking;
            // What has subscribed nevertheless is let go of.
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            using (IpcSubscription<int> subscription = Ipc.SubscribeUds<int>("clock", patient))
            {
                clock.Publish(1);
                Check.Equal(1, subscription.Next()!.Data);
            }
            AwaitSubscribers(clock, 0);
        }

        [Test]
        internal static async Task publisher_that_closes_ends_the_loop_or_is_found_again_and_says_so_once()
        {
            using var scratch = new Scratch();
            IpcOptions brief = scratch.Options;
            brief.Reconnect = TimeSpan.Zero;
            IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            using IpcSubscription<int> ending = Ipc.SubscribeUds<int>("clock", brief);
            using IpcSubscription<int> lasting = Ipc.SubscribeUds<int>("clock", scratch.Options);
            await using IpcAsyncSubscription<int> later = await Ipc.SubscribeUdsAsync<int>("clock", scratch.Options);
            clock.Publish(1);
            Task<string> blocking = Task.Factory.StartNew(() => Told(lasting.Take(4)), TaskCreationOptions.LongRunning);
            Task<string> asynchronous = Task.Run(async () =>
            {
                var told = new List<IpcEvent<int>>();
                await foreach (IpcEvent<int> number in later)
                {
                    told.Add(number);
                    if (told.Count == 4)
                    {
                        break;
                    }
                }
                return Told(told);
            });
            // What was published is delivered before the end.
            clock.Publish(2);
            clock.Dispose();
            Check.Equal("1:0 2:0", Told(ending));
            using IpcListener next = Ipc.ListenUdsPublish("clock", scratch.Options);
            AwaitSubscribers(next, 2);
            next.Publish(3);
            next.Publish(4);
            Check.Equal("1:0 2:0 3:-1 4:0", await blocking);
            Check.Equal("1:0 2:0 3:-1 4:0", await asynchronous);
        }

        [Test]
        internal static async Task publisher_that_is_killed_is_waited_for_or_is_an_error_that_is_told_again()
        {
            using var scratch = new Scratch();
            IpcOptions brief = scratch.Options;
            brief.Reconnect = TimeSpan.Zero;
            using var child = new Child("clock", null, scratch.Path);
            Check.Equal("ready", child.ReadLine());
            using IpcSubscription<int> ending = Ipc.SubscribeUds<int>("clock", brief);
            await using IpcAsyncSubscription<int> endingLater = await Ipc.SubscribeUdsAsync<int>("clock", brief);
            using IpcSubscription<int> lasting = Ipc.SubscribeUds<int>("clock", scratch.Options);
            child.WriteLine("publish");
            Check.Equal((1, 1), (ending.Next()!.Data, (await endingLater.NextAsync())!.Data));
            child.Kill();
            for (int time = 0; time < 2; time++)
            {
                Check.Fails(IpcStatus.ConnectionLost, () => ending.Next());
                await Check.FailsAsync(IpcStatus.ConnectionLost, () => endingLater.NextAsync().AsTask());
            }
            Task<string> told = Task.Factory.StartNew(() => Told(lasting.Take(2)), TaskCreationOptions.LongRunning);
            using IpcListener next = Ipc.ListenUdsPublish("clock", scratch.Options);
            AwaitSubscribers(next, 1);
            next.Publish(2);
            Check.Equal("1:0 2:-1", await told);
        }

        /// <summary>Publishes an event when it reads a line, and goes on until it is killed.</summary>
        internal static int PublishOne(string directory)
        {
            using IpcListener clock = Ipc.ListenUdsPublish("clock", new IpcOptions { Directory = directory });
            Console.WriteLine("ready");
            Console.ReadLine();
            clock.Publish(1);
            Console.ReadLine();
            return 0;
        }

        private static string Told(IEnumerable<IpcEvent<int>> events) =>
            string.Join(" ", events.Select(number => $"{number.Data}:{number.Missed}"));

        [Test]
        internal static void publisher_may_be_closed_inside_the_loop_of_its_own_subscriber()
        {
            using var scratch = new Scratch();
            IpcOptions brief = scratch.Options;
            brief.Reconnect = TimeSpan.Zero;
            IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            int count = 0;
            using IpcSubscription<int> subscription = Ipc.SubscribeUds<int>("clock", brief);
            clock.Publish(1);
            foreach (IpcEvent<int> number in subscription)
            {
                count += number.Data;
                clock.Dispose();
            }
            Check.Equal(1, count);
        }

        [Test]
        internal static void every_event_after_a_subscribe_that_returned_comes_in_order_to_all()
        {
            using var scratch = new Scratch();
            IpcOptions patient = scratch.Options;
            patient.Patience = TimeSpan.FromMinutes(4);
            IpcOptions block = scratch.Options;
            block.Overflow = IpcOverflow.Block;
            using IpcListener clock = Ipc.ListenUdsPublish("clock", patient);
            const int Events = 2000, Publishers = 2;
            IpcSubscription<int>[] subscriptions = Enumerable.Range(0, 3).Select(_ => Ipc.SubscribeUds<int>("clock", block)).ToArray();
            Task publishing = Task.WhenAll(Enumerable.Range(0, Publishers).Select(publisher => Task.Factory.StartNew(() =>
            {
                for (int n = 0; n < Events; n++)
                {
                    Check.Equal(3, clock.Publish(publisher * Events + n));
                }
            }, TaskCreationOptions.LongRunning)));
            string[] got = subscriptions.Select(subscription => Task.Factory.StartNew(
                () => string.Join(" ", subscription.Take(Events * Publishers).Select(number => number.Missed == 0 ? number.Data : -1)),
                TaskCreationOptions.LongRunning)).ToArray().Select(task => task.Result).ToArray();
            publishing.Wait();
            Check.Equal((got[0], got[0]), (got[1], got[2]));
            int[] numbers = got[0].Split(' ').Select(int.Parse).ToArray();
            for (int publisher = 0; publisher < Publishers; publisher++)
            {
                Check.True(numbers.Where(number => number / Events == publisher).SequenceEqual(Enumerable.Range(publisher * Events, Events)), "each publisher's in its order");
            }
        }

        [Test]
        internal static void subscription_that_nobody_keeps_is_let_go_of()
        {
            using var scratch = new Scratch();
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            Abandon(clock, scratch.Options);
            while (clock.Counters.Subscribers > 0)
            {
                Lifetimes.Collect();
                Thread.Yield();
            }
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void Abandon(IpcListener clock, IpcOptions options)
        {
            IpcSubscription<int> blocking = Ipc.SubscribeUds<int>("clock", options);
            IpcAsyncSubscription<int> later = Ipc.SubscribeUdsAsync<int>("clock", options).GetAwaiter().GetResult();
            clock.Publish(1);
            Check.Equal(2, blocking.Next()!.Data + later.NextAsync().GetAwaiter().GetResult()!.Data);
        }
    }
}
