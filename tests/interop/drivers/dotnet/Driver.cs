using System;
using System.Collections.Concurrent;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Interop
{
    /// <summary>The .NET driver of the interop matrix; tests/interop/README.md says what it reads and prints.</summary>
    static class Driver
    {
        static readonly ConcurrentDictionary<string, TaskCompletionSource<bool>> Releases =
            new ConcurrentDictionary<string, TaskCompletionSource<bool>>();
        static readonly object OneWriter = new object();
        static TaskCompletionSource<bool> complete = new TaskCompletionSource<bool>();
        static int met;

        static async Task<int> Main(string[] arguments)
        {
            // Windows has its own encoding for programs' output, whatever is read there.
            Console.SetOut(new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)));
            Console.SetIn(new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false)));
            if (arguments.Length == 2 && arguments[0] == "listen")
            {
                Listen(arguments[1]);
                return 0;
            }
            await (arguments[0] switch
            {
                "publish" => Publications.Publish(arguments[1]),
                "subscribe" => Publications.Subscribe(),
                "streams" => Streams.Listen(arguments[1]),
                "stream" => Streams.Call(),
                _ => Post(),
            });
            return 0;
        }

        internal static void Say(params string[] fields)
        {
            lock (OneWriter)
            {
                Console.Out.Write(string.Join("\t", fields) + "\n");
                Console.Out.Flush();
            }
        }

        static async Task<IpcMessage> Handle(IpcMessage message, IpcContext context)
        {
            string text = message.IsJson && message.Text.StartsWith("\"do:", StringComparison.Ordinal)
                ? System.Text.Json.JsonSerializer.Deserialize<string>(message.Text)
                : "";
            string[] order = text.Split(new[] { ':' }, 3);
            switch (order.Length == 3 ? order[1] : "")
            {
                case "fail":
                    throw new InvalidOperationException(order[2]);
                case "wait":
                    var released = Releases.GetOrAdd(order[2], _ => new TaskCompletionSource<bool>());
                    var cancelled = new TaskCompletionSource<bool>();
                    using (context.CancellationToken.Register(() => cancelled.TrySetResult(true)))
                    {
                        Say("started", order[2]);
                        var first = await Task.WhenAny(released.Task, cancelled.Task);
                        Say(first == released.Task ? "released" : "cancelled", order[2]);
                    }
                    break;
                case "meet":
                    await Meet(int.Parse(order[2].Split(':')[0], CultureInfo.InvariantCulture));
                    break;
                default:
                    Say("heard", Values.Describe(message));
                    break;
            }
            return message;
        }

        static Task Meet(int guests)
        {
            lock (Releases)
            {
                var waiting = complete;
                if (++met % guests == 0)
                {
                    complete = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
                    Task.Run(() => waiting.SetResult(true));
                }
                return waiting.Task;
            }
        }

        static void Listen(string prefix)
        {
            var options = new IpcOptions { PlainText = true };
            void Hear(IpcMessage message) => Say("heard", Values.Describe(message));
            using var named = Ipc.ListenUdsRequest<IpcMessage, IpcMessage>($"{prefix}_requests", Handle, options);
            using var heard = Ipc.ListenUdsBroadcast<IpcMessage>($"{prefix}_broadcasts", Hear, options);
            using var onPort = Ipc.ListenIpRequest<IpcMessage, IpcMessage>(0, Handle, options);
            using var heardOnPort = Ipc.ListenIpBroadcast<IpcMessage>(0, Hear, options);
            Say("ready", $"{onPort.Port}", $"{heardOnPort.Port}");
            for (string? line; (line = Console.In.ReadLine()) != null;)
            {
                Releases.GetOrAdd(line.Split('\t')[1], _ => new TaskCompletionSource<bool>()).TrySetResult(true);
            }
        }

        static Task<IpcMessage> Request(string address, object? body, IpcOptions options, CancellationToken token = default) =>
            address[0] == ':'
                ? Ipc.PostIpRequestAsync<object?, IpcMessage>(Port(address), body, options, token)
                : Ipc.PostUdsRequestAsync<object?, IpcMessage>(address, body, options, token);

        internal static int Port(string address) => int.Parse(address.Substring(1), CultureInfo.InvariantCulture);

        static async Task Post()
        {
            Say("ready");
            for (string? line; (line = Console.In.ReadLine()) != null;)
            {
                string[] fields = line.Split('\t');
                string address = fields[1], value = fields[3];
                var options = new IpcOptions
                {
                    Timeout = TimeSpan.FromMilliseconds(double.Parse(fields[2], CultureInfo.InvariantCulture)),
                };
                await Answer(async () =>
                {
                    switch (fields[0])
                    {
                        case "request":
                            Say("ok", Values.Describe(await Request(address, Values.Build(value), options)));
                            break;
                        case "broadcast" when address[0] == ':':
                            await Ipc.PostIpBroadcastAsync(Port(address), Values.Build(value), options);
                            Say("ok");
                            break;
                        case "broadcast":
                            await Ipc.PostUdsBroadcastAsync(address, Values.Build(value), options);
                            Say("ok");
                            break;
                        case "cancel":
                            using (var source = new CancellationTokenSource())
                            {
                                var call = Request(address, Values.Build(value), options, source.Token);
                                Console.In.ReadLine();
                                source.Cancel();
                                Say("ok", Values.Describe(await call));
                            }
                            break;
                        default:
                            await Many(address, value, int.Parse(fields[4], CultureInfo.InvariantCulture), options);
                            Say("ok");
                            break;
                    }
                });
            }
        }

        /// <summary>Does what one line asks for, and says how it failed.</summary>
        internal static async Task Answer(Func<Task> command)
        {
            try
            {
                await command();
            }
            catch (OperationCanceledException error)
            {
                Say("error", "cancelled", "maybe", error.Message);
            }
            catch (IpcException error)
            {
                Say("error", Name(error.Status), error.MayHaveBeenHandled ? "maybe" : "no", error.Message);
            }
        }

        static async Task Many(string address, string prefix, int count, IpcOptions options)
        {
            string[] texts = Enumerable.Range(0, count).Select(number => prefix + number).ToArray();
            var replies = await Task.WhenAll(texts.Select(text => Request(address, text, options)));
            for (int number = 0; number < count; number++)
            {
                if (replies[number].Text != $"\"{texts[number]}\"")
                {
                    throw new IpcException(IpcStatus.Internal, "got another answer");
                }
            }
        }

        /// <summary>TimedOut is timed_out.</summary>
        static string Name(IpcStatus status) =>
            string.Concat(status.ToString().Select(
                (letter, at) => char.IsUpper(letter) && at > 0 ? $"_{char.ToLowerInvariant(letter)}" : $"{char.ToLowerInvariant(letter)}"));
    }
}
