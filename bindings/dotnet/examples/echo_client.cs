using System;
using System.Threading.Tasks;

namespace SimpleIpc.Examples
{
    /// <summary>Posts "hello" and prints the reply.</summary>
    internal static class EchoClient
    {
        internal static async Task RunAsync(string channel) =>
            Console.WriteLine(await Ipc.PostUdsRequestAsync<string, string>(channel, "hello"));
    }
}
