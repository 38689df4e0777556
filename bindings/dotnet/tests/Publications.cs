using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>Publishing, and what arrives of it.</summary>
    internal static class Publications
    {
        public sealed class Tick
        {
            public int N { get; set; }
        }

        [Test]
        internal static async Task every_call_to_publish_and_to_subscribe_works_blocking_and_asynchronously()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            using (IpcListener uds = Ipc.ListenUdsPublish("clock", options))
            {
                using IpcSubscription<Tick> blocking = Ipc.SubscribeUds<Tick>("clock", options);
                await using IpcAsyncSubscription<Tick> later = await Ipc.SubscribeUdsAsync<Tick>("clock", options);
                Check.Equal(2, uds.Publish(new Tick { N = 1 }));
                Check.Equal(2, await uds.PublishAsync(new Tick { N = 2 }, topic: "tick"));
                foreach (var expected in new[] { (1, ""), (2, "tick") })
                {
                    IpcEvent<Tick> event_ = blocking.Next()!, same = (await later.NextAsync())!;
                    Check.Equal((expected, 0L, false), ((event_.Data.N, event_.Topic), event_.Missed, event_.Retained));
                    Check.Equal((expected, 0L, false), ((same.Data.N, same.Topic), same.Missed, same.Retained));
                }
                Check.Equal((2L, 2L, 0L, 0L), (uds.Counters.Subscribers, uds.Counters.Published, uds.Counters.Dropped, uds.Counters.TooSlow));
                Check.Equal("clock", uds.Channel);
            }
            await using (await Ipc.ListenUdsPublishAsync("clock", options))
            await using (IpcListener ip = await Ipc.ListenIpPublishAsync(0, options))
            {
                int port = ip.Port!.Value;
                using IpcSubscription<string> blocking = Ipc.SubscribeIp<string>(port, options);
                await using IpcAsyncSubscription<string> later = await Ipc.SubscribeIpAsync<string>(port, options);
                Check.Equal(2, ip.Publish("x"));
                Check.Equal("x", blocking.Next()!.Data);
                Check.Equal("x", (await later.NextAsync())!.Data);
            }
            using (IpcListener ip = Ipc.ListenIpPublish(0, options))
            {
                using IpcSubscription<string> blocking = Ipc.SubscribeIp<string>(ip.Port!.Value, options);
                ip.Publish("y");
                Check.Equal("y", blocking.Next()!.Data);
            }
        }

        [Test]
        internal static void what_is_published_to_nobody_is_queued_for_nobody()
        {
            using var scratch = new Scratch();
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            Check.Equal(0, clock.Publish("before"));
            IpcOptions picky = scratch.Options;
            picky.Topics = new[] { "a", "" };
            using IpcSubscription<string> some = Ipc.SubscribeUds<string>("clock", picky);
            Check.Equal(0, clock.Publish("1", "b"));
            Check.Equal(0, clock.Publish("2", "aa"));
            Check.Equal(1, clock.Publish("3", "a"));
            Check.Equal(1, clock.Publish("4"));
            Check.Equal(("3", "a"), (some.Next()!.Data, "a"));
            IpcEvent<string> last = some.Next()!;
            Check.Equal(("4", "", 0L), (last.Data, last.Topic, last.Missed));
        }

        [Test]
        internal static void every_kind_of_body_is_published()
        {
            using var scratch = new Scratch();
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            using IpcSubscription<object> any = Ipc.SubscribeUds<object>("clock", scratch.Options);
            using IpcSubscription<IpcMessage> raw = Ipc.SubscribeUds<IpcMessage>("clock", scratch.Options);
            clock.Publish(new byte[] { 1, 2 });
            clock.Publish(new ArraySegment<byte>(new byte[] { 0, 3, 4 }, 1, 2));
            clock.Publish(IpcMessage.FromJson("[1, 2]"));
            clock.Publish<string?>(null);
            Check.Equal("1,2", string.Join(",", (byte[])any.Next()!.Data));
            Check.Equal("3,4", string.Join(",", (byte[])any.Next()!.Data));
            Check.Equal("[1, 2]", any.Next()!.Data.ToString()!);
            Check.Equal("0102", string.Concat(raw.Next()!.Data.Data.ToArray().Select(part => part.ToString("x2"))));
            Check.True(!raw.Next()!.Data.IsJson, "bytes");
            Check.Equal("[1, 2]", raw.Next()!.Data.Text);
            Check.Equal("null", raw.Next()!.Data.Text);
            Check.Fails(IpcStatus.InvalidJson, () => clock.Publish(double.NaN));
            Check.Fails(IpcStatus.InvalidJson, () => clock.PublishAsync(double.NaN).GetAwaiter().GetResult());
        }

        [Test]
        internal static void event_that_is_not_what_was_asked_for_says_so_and_the_loop_goes_on()
        {
            using var scratch = new Scratch();
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            using IpcSubscription<int> numbers = Ipc.SubscribeUds<int>("clock", scratch.Options);
            clock.Publish("one", "text");
            clock.Publish(new byte[1]);
            clock.Publish(2);
            var told = new List<string>();
            foreach (IpcEvent<int> number in numbers)
            {
                try
                {
                    told.Add($"{number.Data}");
                    break;
                }
                catch (IpcException unfit)
                {
                    Check.Equal(IpcStatus.InvalidBody, unfit.Status);
                    told.Add(number.Topic);
                }
            }
            Check.Equal("text||2", string.Join("|", told));
        }

        [Test]
        internal static async Task retained_events_come_first_and_are_marked()
        {
            using var scratch = new Scratch();
            IpcOptions keeping = scratch.Options;
            keeping.Retain = true;
            using IpcListener clock = Ipc.ListenUdsPublish("clock", keeping);
            clock.Publish(1, "a");
            clock.Publish(2, "b");
            clock.Publish(3, "a");
            clock.Publish(4);
            clock.Publish(Array.Empty<byte>(), "b");
            await using IpcAsyncSubscription<int> all = await Ipc.SubscribeUdsAsync<int>("clock", scratch.Options);
            clock.Publish(5, "a");
            var told = new List<string>();
            await foreach (IpcEvent<int> number in all)
            {
                told.Add($"{number.Topic}{number.Data}{(number.Retained ? "r" : "")}{number.Missed}");
                if (number.Data == 5)
                {
                    break;
                }
            }
            Check.Equal("a3r0 4r0 a50", string.Join(" ", told));
        }

        [Test]
        internal static void listener_with_messages_publishes_too_and_its_handler_may()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            options.Publish = true;
            var made = new TaskCompletionSource<IpcListener>();
            using (var hub = Ipc.ListenUdsBroadcast<string>("chat", async line => { await (await made.Task).PublishAsync(line + "!"); }, options))
            using (IpcListener asked = Ipc.ListenUdsRequest<string, string>("asked", line => line + "?", options))
            {
                made.SetResult(hub);
                using IpcSubscription<string> first = Ipc.SubscribeUds<string>("chat", scratch.Options);
                using IpcSubscription<string> second = Ipc.SubscribeUds<string>("chat", scratch.Options);
                using IpcSubscription<string> signals = Ipc.SubscribeUds<string>("asked", scratch.Options);
                Ipc.PostUdsBroadcast("chat", "hello", scratch.Options);
                Check.Equal(("hello!", "hello!"), (first.Next()!.Data, second.Next()!.Data));
                asked.Publish("signal");
                Check.Equal(("signal", "x?"), (signals.Next()!.Data, Ipc.PostUdsRequest<string, string>("asked", "x", scratch.Options)));
            }
        }

        [Test]
        internal static void what_makes_no_sense_is_refused_with_its_reason()
        {
            using var scratch = new Scratch();
            IpcOptions Options(Action<IpcOptions> change)
            {
                IpcOptions options = scratch.Options;
                change(options);
                return options;
            }
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            using IpcListener deaf = Ipc.ListenUdsRequest<string, string>("deaf", data => data, scratch.Options);
            Check.Contains("publish", Check.Fails(IpcStatus.WrongMode, () => deaf.Publish(1)).Message);
            Check.Fails(IpcStatus.WrongMode, () => deaf.PublishAsync(1).GetAwaiter().GetResult());
            Check.Fails(IpcStatus.WrongMode, () => Ipc.SubscribeUds<int>("deaf", scratch.Options));
            Check.Fails(IpcStatus.WrongMode, () => Ipc.SubscribeUds<int>("clock", Options(options => options.Overflow = IpcOverflow.Block)));
            Check.Fails(IpcStatus.WrongMode, () => Ipc.PostUdsRequest<int, int>("clock", 1, scratch.Options));
            Check.Fails(IpcStatus.WrongMode, () => Ipc.PostUdsBroadcast("clock", 1, scratch.Options));
            Check.Fails(IpcStatus.NotListening, () => Ipc.SubscribeUds<int>("nobody", scratch.Options));
            Check.Fails(IpcStatus.InvalidName, () => Ipc.SubscribeUds<int>("no.name", scratch.Options));
            Check.Fails(IpcStatus.InvalidPort, () => Ipc.SubscribeIp<int>(0, scratch.Options));
            Check.Fails(IpcStatus.InvalidPort, () => Ipc.ListenIpPublish(-1, scratch.Options));
            Check.Fails(IpcStatus.InUse, () => Ipc.ListenUdsPublish("clock", scratch.Options));
            foreach (string[] topics in new[]
            {
                Array.Empty<string>(), new[] { new string('x', 256) }, new[] { "a", "a\0b" }, new[] { "\ud800" },
                Enumerable.Range(0, 1025).Select(number => $"{number}").ToArray(),
            })
            {
                Check.Fails(IpcStatus.InvalidArgument, () => Ipc.SubscribeUds<int>("clock", Options(options => options.Topics = topics)));
            }
            Check.Throws<ArgumentNullException>(() => Ipc.SubscribeUds<int>("clock", Options(options => options.Topics = new string[] { null! })));
            foreach (long queue in new[] { 0L, -1L })
            {
                Check.Fails(IpcStatus.InvalidArgument, () => Ipc.SubscribeUds<int>("clock", Options(options => options.Queue = queue)));
            }
            Check.Fails(IpcStatus.InvalidArgument, () => Ipc.SubscribeUds<int>("clock", Options(options => options.Overflow = (IpcOverflow)9)));
            Check.Fails(IpcStatus.InvalidArgument, () => Ipc.SubscribeUds<int>("clock", Options(options => options.Reconnect = TimeSpan.FromSeconds(-3))));
            Check.Fails(IpcStatus.InvalidArgument, () => Ipc.ListenUdsPublish("other", Options(options => options.Patience = TimeSpan.FromSeconds(-3))));
            foreach (string topic in new[] { new string('x', 256), "a\0b", "\ud800" })
            {
                Check.Fails(IpcStatus.InvalidArgument, () => clock.Publish(1, topic));
                Check.Fails(IpcStatus.InvalidArgument, () => clock.PublishAsync(1, topic).GetAwaiter().GetResult());
            }
            Check.Fails(IpcStatus.TooLarge, () => clock.Publish(new byte[(64 << 20) + 1]));
            clock.Dispose();
            Check.Fails(IpcStatus.Closed, () => clock.Publish(1));
            Check.Fails(IpcStatus.Closed, () => clock.PublishAsync(1).GetAwaiter().GetResult());
        }

        [Test]
        internal static void channels_show_who_publishes_and_to_how_many()
        {
            using var scratch = new Scratch();
            IpcOptions both = scratch.Options;
            both.Publish = true;
            using IpcListener clock = Ipc.ListenUdsPublish("clock", scratch.Options);
            using IpcListener hub = Ipc.ListenUdsBroadcast<string>("hub", _ => { }, both);
            using IpcListener plain = Ipc.ListenUdsRequest<string, string>("plain", data => data, scratch.Options);
            using IpcSubscription<int> subscription = Ipc.SubscribeUds<int>("clock", scratch.Options);
            var found = Ipc.Channels(scratch.Path).ToDictionary(channel => channel.Channel);
            Check.Equal((true, false, false), (found["clock"].Publishes, found["clock"].TakesRequests, found["clock"].TakesBroadcasts));
            Check.Equal((true, false, true), (found["hub"].Publishes, found["hub"].TakesRequests, found["hub"].TakesBroadcasts));
            Check.Equal((false, true, (long?)null), (found["plain"].Publishes, found["plain"].TakesRequests, found["plain"].Subscribers));
            Check.Equal((long?)0, found["hub"].Subscribers);
            // The number is written now and then; a test that fails waits for the watchdog here.
            while (Ipc.Channels(scratch.Path).Single(channel => channel.Channel == "clock").Subscribers != 1)
            {
                Thread.Yield();
            }
        }
    }
}
