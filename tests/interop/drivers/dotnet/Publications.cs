using System;
using System.Collections.Generic;
using System.Globalization;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Interop
{
    /// <summary>The driver's two modes for publications. What is done by a name takes the blocking form, by a port that of tasks.</summary>
    static class Publications
    {
        internal static async Task Publish(string prefix)
        {
            var options = new IpcOptions { Retain = true, Patience = TimeSpan.FromSeconds(20) };
            using var named = Ipc.ListenUdsPublish($"{prefix}_publications", options);
            using var onPort = Ipc.ListenIpPublish(0, options);
            Driver.Say("ready", $"{onPort.Port}");
            for (string? line; (line = Console.In.ReadLine()) != null;)
            {
                string[] fields = line.Split('\t');
                IpcListener listener = fields[1][0] == ':' ? onPort : named;
                await Driver.Answer(async () =>
                {
                    switch (fields[0])
                    {
                        case "publish":
                            string? topic = fields[2] == "-" ? null : fields[2];
                            Driver.Say("ok", $"{await Event(listener, Values.Build(fields[3]), topic)}");
                            break;
                        case "flood":
                            int count = int.Parse(fields[2], CultureInfo.InvariantCulture);
                            int size = int.Parse(fields[3], CultureInfo.InvariantCulture);
                            for (int number = 0; number < count; number++)
                            {
                                await Event(listener, $"flood:{number}:".PadRight(size, 'x'), null);
                            }
                            Driver.Say("ok");
                            break;
                        default:
                            IpcCounters counted = listener.Counters;
                            Driver.Say("ok", $"{counted.Subscribers}", $"{counted.Published}", $"{counted.Dropped}", $"{counted.TooSlow}");
                            break;
                    }
                });
            }
        }

        static async Task<int> Event<T>(IpcListener listener, T data, string? topic) =>
            listener.Port is null ? listener.Publish(data, topic) : await listener.PublishAsync(data, topic);

        internal static async Task Subscribe()
        {
            Driver.Say("ready");
            Subscription? subscription = null;
            for (string? line; (line = Console.In.ReadLine()) != null;)
            {
                string[] fields = line.Split('\t');
                await Driver.Answer(async () =>
                {
                    switch (fields[0])
                    {
                        case "subscribe":
                            subscription?.Close();
                            subscription = await Subscription.Begin(fields);
                            Driver.Say("ok");
                            break;
                        case "next":
                            IpcEvent<IpcMessage>? next = await subscription!.Next(Milliseconds(fields[1]));
                            if (next is null)
                            {
                                Driver.Say("ok", "end");
                            }
                            else
                            {
                                Driver.Say("ok", $"{next.Missed}", next.Retained ? "1" : "0", next.Topic.Length == 0 ? "-" : next.Topic, Values.Describe(next.Data));
                            }
                            break;
                        case "take":
                            await Take(subscription!, long.Parse(fields[1], CultureInfo.InvariantCulture), int.Parse(fields[2], CultureInfo.InvariantCulture));
                            break;
                        default:
                            subscription!.Close();
                            Driver.Say("ok");
                            break;
                    }
                });
            }
            subscription?.Close();
        }

        static async Task Take(Subscription subscription, long last, int pause)
        {
            long delivered = 0, missed = 0, before = -1;
            bool inOrder = true, isLast = false;
            while (!isLast && delivered + missed < last)
            {
                IpcEvent<IpcMessage>? taken = await subscription.Next(Timeout.InfiniteTimeSpan);
                if (taken is null)
                {
                    break;
                }
                delivered++;
                missed += Math.Max(taken.Missed, 0);
                string[] text = taken.Data.Text.Split(new[] { ':' }, 3);
                long number = long.Parse(text[1], CultureInfo.InvariantCulture);
                inOrder &= text[0] == "\"flood" && (before < 0 || number == before + 1 + taken.Missed);
                before = number;
                isLast = number == last;
                if (pause > 0)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(Math.Max(pause / 1000.0, 1)));
                }
            }
            Driver.Say("ok", $"{delivered}", $"{missed}", inOrder ? "1" : "0");
        }

        static TimeSpan Milliseconds(string text) => TimeSpan.FromMilliseconds(double.Parse(text, CultureInfo.InvariantCulture));

        /// <summary>A subscription in one of the two forms.</summary>
        sealed class Subscription
        {
            readonly IpcSubscription<IpcMessage>? blocking;
            readonly IpcAsyncSubscription<IpcMessage>? later;

            Subscription(IpcSubscription<IpcMessage>? blocking, IpcAsyncSubscription<IpcMessage>? later)
            {
                this.blocking = blocking;
                this.later = later;
            }

            /// <param name="fields"><c>subscribe ADDRESS MS OVERFLOW QUEUE TOPICS</c>.</param>
            internal static async Task<Subscription> Begin(string[] fields)
            {
                var overflows = new Dictionary<string, IpcOverflow>
                {
                    ["fail"] = IpcOverflow.Fail,
                    ["drop_oldest"] = IpcOverflow.DropOldest,
                    ["block"] = IpcOverflow.Block,
                };
                var options = new IpcOptions
                {
                    Timeout = Milliseconds(fields[2]),
                    Overflow = overflows[fields[3]],
                    Queue = fields[4] == "-" ? (long?)null : long.Parse(fields[4], CultureInfo.InvariantCulture),
                    Topics = fields[5] == "*" ? null : fields[5].Split(','),
                };
                return fields[1][0] == ':'
                    ? new Subscription(null, await Ipc.SubscribeIpAsync<IpcMessage>(Driver.Port(fields[1]), options))
                    : new Subscription(Ipc.SubscribeUds<IpcMessage>(fields[1], options), null);
            }

            internal async Task<IpcEvent<IpcMessage>?> Next(TimeSpan timeout)
            {
                if (blocking != null)
                {
                    return blocking.Next(timeout);
                }
                using var source = new CancellationTokenSource(timeout);
                try
                {
                    return await later!.NextAsync(source.Token);
                }
                catch (OperationCanceledException)
                {
                    throw new IpcException(IpcStatus.TimedOut, "no event came in time");
                }
            }

            internal void Close()
            {
                blocking?.Dispose();
                later?.Dispose();
            }
        }
    }
}
