using System;
using System.Diagnostics;
using System.IO;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>Makes 100,000 calls of many kinds and prints how many descriptors and MiB more there are afterwards.</summary>
    internal static class Flat
    {
        internal static async Task<int> RunAsync(string directory)
        {
            var options = new IpcOptions { Directory = directory, HandlerFailed = _ => { } };
            using var listener = Ipc.ListenUdsRequest<string, string>("flat", (data, context) => data == "bad" ? throw new Exception(data) : data, options);
            await using IpcClient client = await IpcClient.ConnectUdsAsync("flat", options);
            await RoundAsync(client, options, 20_000);
            Lifetimes.Collect();
            int descriptors = Directory.GetFiles("/proc/self/fd").Length;
            long memory = Resident();
            await RoundAsync(client, options, 100_000);
            Lifetimes.Collect();
            Console.WriteLine($"{Directory.GetFiles("/proc/self/fd").Length - descriptors} {(Resident() - memory) >> 20}");
            return 0;
        }

        private static async Task RoundAsync(IpcClient client, IpcOptions options, int calls)
        {
            for (int n = 0; n < calls; n++)
            {
                if (n % 5_000 == 0)
                {
                    // The collector lets garbage lie until there is about as much as the processor's cache holds.
                    Lifetimes.Collect();
                }
                switch (n % 20)
                {
                    case 1: Check.Equal("x", await client.RequestAsync<string, string>("x")); break;
                    case 2: Check.Fails(IpcStatus.HandlerFailed, () => client.Request<string, string>("bad")); break;
                    case 3: Check.Equal("x", await Ipc.PostUdsRequestAsync<string, string>("flat", "x", options)); break;
                    case 4: Check.Equal("x", Ipc.PostUdsRequest<string, string>("flat", "x", options)); break;
                    case 5: Check.Fails(IpcStatus.InvalidJson, () => client.Request<double, string>(double.NaN)); break;
                    case 6: Check.Fails(IpcStatus.InvalidBody, () => client.Request<string, int>("x")); break;
                    case 7 when n % 1000 == 7:
                        using (IpcClient brief = IpcClient.ConnectUds("flat", options)) brief.Ping();
                        break;
                    default: Check.Equal("x", client.Request<string, string>("x")); break;
                }
            }
        }

        private static long Resident()
        {
            using Process process = Process.GetCurrentProcess();
            return process.WorkingSet64;
        }
    }
}
