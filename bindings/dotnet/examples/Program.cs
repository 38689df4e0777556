using System;
using System.Threading.Tasks;

namespace SimpleIpc.Examples
{
    /// <summary>Runs the example that the first argument names.</summary>
    internal static class Program
    {
        private static async Task<int> Main(string[] arguments)
        {
            string channel = arguments.Length > 1 ? arguments[1] : "echo";
            switch (arguments.Length > 0 ? arguments[0] : "")
            {
                case "echo_listener": await EchoListener.RunAsync(channel); return 0;
                case "echo_client": await EchoClient.RunAsync(channel); return 0;
                case "one_way": OneWay.Run(); return 0;
                case "cancel": await Cancel.RunAsync(); return 0;
                case "worker_pool": await WorkerPool.RunAsync(); return 0;
                case "clock": await Clock.RunAsync(); return 0;
                default:
                    Console.Error.WriteLine("usage: echo_listener [channel] | echo_client [channel] | one_way | cancel | worker_pool | clock");
                    return 2;
            }
        }
    }
}
