using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Interop
{
    /// <summary>The driver's two modes for streams. The caller takes the blocking form by a name, by a port that of tasks.</summary>
    static class Streams
    {
        static readonly TaskCompletionSource<bool> Released = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);

        // What is answered with a sequence.
        static readonly string[] Sequences = { "count", "fail", "first", "echo", "forever", "silent", "stubborn" };

        // How many handlers have run what is in their `finally`. Interlocked, by the handlers.
        static long cleaned;

        /// <summary>What opens a stream.</summary>
        public sealed class Opening
        {
            public string Do { get; set; } = "";

            public int N { get; set; }

            public int Size { get; set; }
        }

        /// <summary>How many items came, and whether each was the next one.</summary>
        sealed class Tally
        {
            int due;

            internal Tally(int due = 0) => this.due = due;

            internal int Items { get; private set; }

            internal long Chars { get; private set; }

            internal bool InOrder { get; private set; } = true;

            internal void Add(IpcMessage item)
            {
                string text = item.IsJson ? JsonSerializer.Deserialize<string>(item.Text) : "";
                InOrder &= text.StartsWith($"item:{due++}:", StringComparison.Ordinal);
                Chars += text.Length;
                Items++;
            }
        }

        static string Item(int number, int size) => $"item:{number}:".PadRight(size, 'x');

        internal static async Task Listen(string prefix)
        {
            // What fails here is asked for, and the caller tells of it.
            var options = new IpcOptions { HandlerFailed = _ => { } };
            using var named = Ipc.ListenUdsRequest<Opening, object>($"{prefix}_streams", Handle, options);
            using var onPort = Ipc.ListenIpRequest<Opening, object>(0, Handle, options);
            Driver.Say("ready", $"{onPort.Port}");
            for (string? line; (line = Console.In.ReadLine()) != null;)
            {
                string[] fields = line.Split('\t');
                await Driver.Answer(() =>
                {
                    switch (fields[0])
                    {
                        case "cleaned":
                            Driver.Say("ok", $"{Interlocked.Read(ref cleaned)}");
                            break;
                        case "release":
                            Released.TrySetResult(true);
                            Driver.Say("ok");
                            break;
                        default:
                            IpcCounters counted = (fields[1][0] == ':' ? onPort : named).Counters;
                            Driver.Say("ok", $"{counted.InFlight}", $"{counted.Abandoned}", $"{counted.Streams}");
                            break;
                    }
                    return Task.CompletedTask;
                });
            }
        }

        static async Task<object> Handle(Opening opening, IpcContext context)
        {
            if (opening.Do != "total")
            {
                return Sequences.Contains(opening.Do) ? Answer(opening, context) : throw new HandlerException("unknown");
            }
            var tally = new Tally();
            await foreach (IpcMessage item in context.Items<IpcMessage>()) tally.Add(item);
            return new Dictionary<string, object> { ["items"] = tally.Items, ["chars"] = tally.Chars, ["in_order"] = tally.InOrder };
        }

        static async IAsyncEnumerable<object> Answer(Opening opening, IpcContext context)
        {
            switch (opening.Do)
            {
                case "count":
                    for (int number = 0; number < opening.N; number++) yield return Item(number, opening.Size);
                    break;
                case "fail":
                    for (int number = 0; number < opening.N; number++) yield return Item(number, 0);
                    throw new HandlerException("on purpose", "stopped", opening.N);
                case "first":
                    for (int number = 0; number < opening.N; number++) await context.Items<IpcMessage>().NextAsync();
                    yield return opening.N;
                    break;
                case "echo":
                    try
                    {
                        await foreach (IpcMessage item in context.Items<IpcMessage>()) yield return item;
                    }
                    finally
                    {
                        Interlocked.Increment(ref cleaned);
                    }
                    break;
                case "forever":
                    try
                    {
                        for (int number = 0; ; number++) yield return Item(number, opening.Size);
                    }
                    finally
                    {
                        Interlocked.Increment(ref cleaned);
                    }
                case "silent":
                    try
                    {
                        await foreach (IpcMessage _ in context.Items<IpcMessage>())
                        {
                        }
                        await Task.Delay(Timeout.Infinite, context.CancellationToken);
                    }
                    finally
                    {
                        Interlocked.Increment(ref cleaned);
                    }
                    break;
                case "stubborn":
                    yield return Item(0, 0);
                    await Released.Task;
                    break;
            }
        }

        internal static async Task Call()
        {
            Driver.Say("ready");
            Caller? caller = null;
            for (string? line; (line = Console.In.ReadLine()) != null;)
            {
                string[] fields = line.Split('\t');
                await Driver.Answer(async () =>
                {
                    switch (fields[0])
                    {
                        case "open":
                            caller?.Stream.Dispose();
                            caller = await Caller.Open(fields[1], IpcMessage.FromJson(fields[2]));
                            Driver.Say("ok");
                            break;
                        case "next":
                            IpcItem<IpcMessage>? next = await caller!.Next(double.Parse(fields[1], CultureInfo.InvariantCulture));
                            Driver.Say("ok", next is IpcItem<IpcMessage> item ? Values.Describe(item.Data) : "end");
                            break;
                        case "take":
                            Say(await caller!.Take(Number(fields[1])));
                            break;
                        case "send":
                            await caller!.Send(Values.Build(fields[1]));
                            Driver.Say("ok");
                            break;
                        case "sends":
                            Driver.Say("ok", $"{await caller!.SendAll(Number(fields[1]), Number(fields[2]))}");
                            break;
                        case "end":
                            caller!.Stream.End();
                            Driver.Say("ok");
                            break;
                        case "pump":
                            Say(await caller!.Pump(Number(fields[1]), Number(fields[2])));
                            break;
                        case "cancel":
                            Driver.Say("ok", await caller!.Cancel() ? "went on" : "end");
                            break;
                        case "leave":
                            await caller!.Leave();
                            Driver.Say("ok");
                            break;
                        default:
                            caller!.Stream.Close();
                            Driver.Say("ok");
                            break;
                    }
                });
            }
            caller?.Stream.Dispose();
        }

        static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

        static void Say(Tally tally) => Driver.Say("ok", $"{tally.Items}", tally.InOrder ? "1" : "0");

        /// <summary>A stream that is used in one of the two forms.</summary>
        sealed class Caller
        {
            readonly bool blocks;
            readonly CancellationTokenSource source;

            // How many items were taken, so which one is due.
            int taken;

            Caller(IpcStream<IpcMessage> stream, bool blocks, CancellationTokenSource source)
            {
                Stream = stream;
                this.blocks = blocks;
                this.source = source;
            }

            internal IpcStream<IpcMessage> Stream { get; }

            internal static async Task<Caller> Open(string address, IpcMessage opening)
            {
                var source = new CancellationTokenSource();
                return address[0] == ':'
                    ? new Caller(await Task.Run(() => Ipc.PostIpStream<IpcMessage, IpcMessage>(Driver.Port(address), opening, null, source.Token)), false, source)
                    : new Caller(Ipc.PostUdsStream<IpcMessage, IpcMessage>(address, opening, null, source.Token), true, source);
            }

            internal async Task<IpcItem<IpcMessage>?> Next(double milliseconds)
            {
                IpcItem<IpcMessage>? next = await TakeOne(milliseconds);
                taken += next is null ? 0 : 1;
                return next;
            }

            async Task<IpcItem<IpcMessage>?> TakeOne(double milliseconds)
            {
                if (blocks)
                {
                    return Stream.Next(TimeSpan.FromMilliseconds(milliseconds));
                }
                using var time = new CancellationTokenSource(TimeSpan.FromMilliseconds(milliseconds));
                try
                {
                    return await Stream.NextAsync(time.Token);
                }
                catch (OperationCanceledException) when (!source.IsCancellationRequested)
                {
                    throw new IpcException(IpcStatus.TimedOut, "no item came in time");
                }
            }

            internal async Task Send<T>(T item)
            {
                if (blocks)
                {
                    Stream.Send(item);
                }
                else
                {
                    await Stream.SendAsync(item);
                }
            }

            /// <summary>Sends so many items, or as many as the listener wants.</summary>
            internal async Task<int> SendAll(int count, int size)
            {
                for (int number = 0; number < count; number++)
                {
                    try
                    {
                        await Send(Item(number, size));
                    }
                    catch (IpcException closed) when (closed.Status == IpcStatus.Closed)
                    {
                        return number;
                    }
                }
                return count;
            }

            /// <summary>Takes so many items, or up to the end or an error, which is told again by the next call.</summary>
            internal async Task<Tally> Take(int count)
            {
                var tally = new Tally(taken);
                try
                {
                    while (tally.Items < count && (blocks ? Stream.Next() : await Stream.NextAsync()) is IpcItem<IpcMessage> item)
                    {
                        tally.Add(item.Data);
                        taken++;
                    }
                }
                catch (IpcException)
                {
                    // The next call repeats it.
                }
                return tally;
            }

            internal async Task<Tally> Pump(int count, int size)
            {
                Task sending = Task.Run(async () =>
                {
                    await SendAll(count, size);
                    Stream.End();
                });
                Tally tally = await Take(int.MaxValue);
                await sending;
                return tally;
            }

            /// <summary>Whether there was an item in spite of it.</summary>
            internal async Task<bool> Cancel()
            {
                Task<IpcItem<IpcMessage>?> taking = blocks ? Task.Run(() => Stream.Next()) : Stream.NextAsync().AsTask();
                source.Cancel();
                // It may have had an item already; the next one it has not.
                return await taking is IpcItem<IpcMessage> && await Stream.NextAsync() is IpcItem<IpcMessage>;
            }

            internal async Task Leave()
            {
                if (blocks)
                {
                    foreach (IpcMessage _ in Stream)
                    {
                        break;
                    }
                }
                else
                {
                    await foreach (IpcMessage _ in Stream)
                    {
                        break;
                    }
                }
            }
        }
    }
}
