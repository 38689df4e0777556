using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Text;
using System.Threading.Tasks;

namespace SimpleIpc.Chaos
{
    /// <summary>The .NET peer of the chaos and soak runs; tests/chaos/README.md says what it does and writes.</summary>
    static class Peer
    {
        const int Batch = 16;
        static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
        static readonly string Padding = new string('x', 200_000);
        static FileStream journal = null!;
        static string name = "";

        static async Task<int> Main(string[] arguments)
        {
            // A buffer of one byte is no buffer: each line is one write.
            journal = new FileStream(arguments[1], FileMode.Append, FileAccess.Write, FileShare.ReadWrite, 1);
            name = arguments[2];
            await Post(arguments[3]);
            Note("done");
            return 0;
        }

        static void Note(string line)
        {
            long now = (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));
            journal.Write(Encoding.UTF8.GetBytes($"{now} {line}\n"));
            journal.Flush();
        }

        static string Text(IpcException error) =>
            error.Message.Length > 200 ? error.Message.Substring(0, 200) : error.Message;

        static void NoteError(char kind, long number, IpcException error) =>
            Note($"{(error.MayHaveBeenHandled ? "may" : "not")} {kind} {number} {error.Status} {Text(error)}");

        static async Task Call(char kind, long number, bool large, Func<string, Task<string?>> post)
        {
            string head = $"{kind} {name} {number}";
            Note($"try {kind} {number}");
            try
            {
                string? reply = await post(large ? $"{head} {Padding}" : head);
                bool wrong = "hrtk".IndexOf(kind) >= 0 && reply != head;
                Note(wrong ? $"wrong {kind} {number} {reply}" : $"ok {kind} {number}");
            }
            catch (IpcException error)
            {
                NoteError(kind, number, error);
            }
        }

        /// <summary>A batch of one-way messages on the kept session, and the flush that confirms them.</summary>
        static async Task<long> Stream(IpcClient client, long number)
        {
            long first = number + 1;
            for (int count = 0; count < Batch; count++)
            {
                number++;
                Note($"try s {number}");
                try
                {
                    client.Broadcast($"s {name} {number}");
                }
                catch (IpcException error) when (error.MayHaveBeenHandled)
                {
                    Note($"lost s {first} {number} {Text(error)}");
                    first = number + 1;
                }
                catch (IpcException error)
                {
                    NoteError('s', number, error);
                }
            }
            try
            {
                await client.FlushAsync();
                Note($"flushed s {first} {number}");
            }
            catch (IpcException error)
            {
                Note($"lost s {first} {number} {Text(error)}");
            }
            return number;
        }

        static Func<string, Task<string?>> Request(IpcOptions options) =>
            async body => await Ipc.PostUdsRequestAsync<string, string>("chaos_requests", body, options);

        static Func<string, Task<string?>> Broadcast(IpcOptions options) =>
            async body =>
            {
                await Ipc.PostUdsBroadcastAsync("chaos_broadcasts", body, options);
                return null;
            };

        static async Task Post(string stop)
        {
            var waiting = new IpcOptions { Wait = Patience, Timeout = Patience };
            var hasty = new IpcOptions { Timeout = Patience };
            var brief = new IpcOptions { Wait = Patience, Timeout = TimeSpan.FromMilliseconds(20) };
            using var requests = await IpcClient.ConnectUdsAsync("chaos_requests", waiting);
            using var broadcasts = await IpcClient.ConnectUdsAsync("chaos_broadcasts", waiting);
            var calls = new (char Kind, Func<string, Task<string?>> Post)[]
            {
                ('h', Request(hasty)),
                ('r', Request(waiting)),
                ('t', Request(brief)),
                ('b', Broadcast(waiting)),
                ('g', Broadcast(hasty)),
                ('k', async body => await requests.RequestAsync<string, string>(body)),
                ('b', Broadcast(waiting)),
            };
            int pause = int.Parse(Environment.GetEnvironmentVariable("PAUSE_MS") ?? "0", CultureInfo.InvariantCulture);
            long streamed = 0;
            for (long number = 1; !File.Exists(stop); number++)
            {
                if (number % 8 == 7)
                {
                    streamed = await Stream(broadcasts, streamed);
                    await Task.Delay(pause);
                    continue;
                }
                bool large = number % 32 < 8 && number % 8 < 6 && number / 32 % 2 == 0;
                var (kind, post) = calls[number % 8];
                await Call(kind, number, large, post);
            }
        }
    }
}
