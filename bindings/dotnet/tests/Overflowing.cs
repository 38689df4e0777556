using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>Subscribers that do not take their events as fast as they are published.</summary>
    internal static class Overflowing
    {
        private const int Size = 16 << 10;

        private static IpcOptions With(Scratch scratch, IpcOverflow overflow) =>
            new IpcOptions { Directory = scratch.Path, Overflow = overflow, Queue = 1 << 20 };

        /// <summary>An event that begins with its number.</summary>
        private static byte[] Numbered(int number)
        {
            var data = new byte[Size];
            BitConverter.GetBytes(number).CopyTo(data, 0);
            return data;
        }

        [Test]
        internal static void by_default_a_subscriber_that_is_too_slow_fails_after_what_was_sent()
        {
            using var scratch = new Scratch();
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            using IpcSubscription<byte[]> slow = Ipc.SubscribeUds<byte[]>("clock", With(scratch, IpcOverflow.Fail));
            int published = 0;
            while (clock.Counters.TooSlow == 0)
            {
                clock.Publish(Numbered(published++));
            }
            int next = 0;
            IpcException ended = Check.Fails(IpcStatus.TooSlow, () =>
            {
                foreach (IpcEvent<byte[]> event_ in slow)
                {
                    Check.Equal((next, 0L), (BitConverter.ToInt32(event_.Data, 0), event_.Missed));
                    next++;
                }
            });
            Check.True(next > 0 && next < published, $"{next} of {published}: {ended.Message}");
        }

        [Test]
        internal static async Task an_error_that_ends_a_subscription_is_told_again()
        {
            using var scratch = new Scratch();
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            using IpcAsyncSubscription<byte[]> slow = await Ipc.SubscribeUdsAsync<byte[]>("clock", With(scratch, IpcOverflow.Fail));
            while (clock.Counters.TooSlow == 0)
            {
                clock.Publish(Numbered(0));
            }
            await Check.FailsAsync(IpcStatus.TooSlow, async () =>
            {
                while (await slow.NextAsync() != null)
                {
                }
            });
            await Check.FailsAsync(IpcStatus.TooSlow, () => slow.NextAsync().AsTask());
        }

        [Test]
        internal static void where_the_oldest_are_dropped_what_is_due_is_what_came_and_what_was_missed()
        {
            using var scratch = new Scratch();
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            using IpcSubscription<byte[]> slow = Ipc.SubscribeUds<byte[]>("clock", With(scratch, IpcOverflow.DropOldest));
            const int Events = 1000;
            for (int number = 0; number < Events; number++)
            {
                Check.Equal(1, clock.Publish(Numbered(number)));
            }
            int next = 0, missed = 0;
            foreach (IpcEvent<byte[]> event_ in slow)
            {
                missed += (int)event_.Missed;
                next += (int)event_.Missed;
                Check.Equal(next++, BitConverter.ToInt32(event_.Data, 0));
                if (next == Events)
                {
                    break;
                }
            }
            Check.True(missed > 0, "some were dropped");
            Check.Equal((long)missed, clock.Counters.Dropped);
        }

        [Test]
        internal static async Task publisher_with_patience_waits_and_nothing_is_lost()
        {
            using var scratch = new Scratch();
            IpcOptions patient = scratch.Options;
            patient.Patience = TimeSpan.FromMinutes(4);
            using IpcListener clock = Ipc.ListenUdsPublish("clock", patient);
            await using IpcAsyncSubscription<byte[]> slow = await Ipc.SubscribeUdsAsync<byte[]>("clock", With(scratch, IpcOverflow.Block));
            const int Events = 1000;
            // Half in each form.
            Task publishing = Task.Run(async () =>
            {
                for (int number = 0; number < Events; number++)
                {
                    Check.Equal(1, number % 2 == 0 ? clock.Publish(Numbered(number)) : await clock.PublishAsync(Numbered(number)));
                }
            });
            for (int number = 0; number < Events; number++)
            {
                IpcEvent<byte[]> event_ = (await slow.NextAsync())!;
                Check.Equal((number, 0L), (BitConverter.ToInt32(event_.Data, 0), event_.Missed));
            }
            await publishing;
        }

        [Test]
        internal static async Task calls_to_publish_that_nobody_awaits_keep_their_order_and_have_a_limit()
        {
            using var scratch = new Scratch();
            IpcOptions patient = scratch.Options;
            patient.Patience = TimeSpan.FromMinutes(4);
            using IpcListener clock = Ipc.ListenUdsPublish("clock", patient);
            using IpcSubscription<byte[]> slow = Ipc.SubscribeUds<byte[]>("clock", With(scratch, IpcOverflow.Block));
            var calls = new List<Task<int>>();
            do
            {
                calls.Add(clock.PublishAsync(Numbered(calls.Count)));
            }
            while (!calls[^1].IsFaulted && calls.Count < 10_000);
            await Check.FailsAsync(IpcStatus.OutOfResources, () => calls[^1]);
            int given = calls.Count - 1;
            using var source = new CancellationTokenSource();
            source.Cancel();
            await Check.ThrowsAsync<OperationCanceledException>(() => clock.PublishAsync(Numbered(0), null, source.Token));
            for (int number = 0; number < given; number++)
            {
                Check.Equal(number, BitConverter.ToInt32(slow.Next()!.Data, 0));
            }
            Check.Equal(given, (await Task.WhenAll(calls.Take(given))).Sum());
            Check.Equal(1, await clock.PublishAsync(Numbered(given)));
        }

        [Test]
        internal static async Task publication_whose_turn_has_not_come_can_be_given_up()
        {
            using var scratch = new Scratch();
            IpcOptions patient = scratch.Options;
            patient.Patience = TimeSpan.FromMinutes(4);
            using IpcListener clock = Ipc.ListenUdsPublish("clock", patient);
            using IpcSubscription<byte[]> slow = Ipc.SubscribeUds<byte[]>("clock", With(scratch, IpcOverflow.Block));
            // More than the queue, the window and the sockets hold: the last of them wait.
            var calls = Enumerable.Range(0, 200).Select(number => clock.PublishAsync(Numbered(number))).ToList();
            using var source = new CancellationTokenSource();
            Task<int> given_up = clock.PublishAsync(Numbered(-1), null, source.Token);
            source.Cancel();
            await Check.ThrowsAsync<OperationCanceledException>(() => given_up);
            calls.Add(clock.PublishAsync(Numbered(200)));
            for (int number = 0; number <= 200; number++)
            {
                Check.Equal(number, BitConverter.ToInt32(slow.Next()!.Data, 0));
            }
            await Task.WhenAll(calls);
        }

        [Test]
        internal static async Task subscriber_that_takes_nothing_holds_nothing()
        {
            using var scratch = new Scratch();
            using IpcListener flood = Ipc.ListenUdsPublish("flood", scratch.Options);
            // In a process of its own, whose memory no other test uses.
            using var child = new Child("slow", null, scratch.Path);
            Check.Equal("ready", child.ReadLine());
            var data = new byte[1 << 20];
            // 1 GiB, of which the publisher keeps 4 MiB.
            for (int number = 0; number < 1024; number++)
            {
                Check.Equal(1, flood.Publish(data));
            }
            flood.Publish(data, "last");
            child.WriteLine("take");
            (int code, string output, string errors) = await child.EndAsync();
            Check.Equal((0, ""), (code, errors));
            long[] told = output.Split(' ').Select(long.Parse).ToArray();
            Check.Equal(1025L, told[0]);
            Check.True(told[1] < 16, $"{told[1]} MiB more");
        }

        /// <summary>
        /// Subscribes, takes nothing until it is told to, with a wait for the first event behind it, and prints how many events
        /// it got or missed, and how many MiB more it then holds.
        /// </summary>
        internal static async Task<int> TakeLateAsync(string directory)
        {
            var options = new IpcOptions { Directory = directory, Overflow = IpcOverflow.DropOldest };
            await using IpcAsyncSubscription<byte[]> events = await Ipc.SubscribeUdsAsync<byte[]>("flood", options);
            await using IpcAsyncSubscription<byte[]> others = await Ipc.SubscribeUdsAsync<byte[]>("flood", new IpcOptions { Directory = directory, Topics = new[] { "none" } });
            ValueTask<IpcEvent<byte[]>?> never = others.NextAsync();
            Lifetimes.Collect();
            long before = Resident();
            Console.WriteLine("ready");
            Console.ReadLine();
            long after = Resident(), due = 0;
            await foreach (IpcEvent<byte[]> event_ in events)
            {
                due += 1 + event_.Missed;
                if (event_.Topic == "last")
                {
                    break;
                }
            }
            others.Close();
            Check.True(await never is null, "the end");
            Console.WriteLine($"{due} {(after - before) >> 20}");
            return 0;
        }

        private static long Resident()
        {
            using Process process = Process.GetCurrentProcess();
            return process.WorkingSet64;
        }
    }
}
