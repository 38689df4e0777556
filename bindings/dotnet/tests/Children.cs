using System;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>Programs that tests start as processes of their own.</summary>
    internal static class Children
    {
        internal static async Task<int> RunAsync(string name, string[] arguments)
        {
            switch (name)
            {
                case "flat": return await Flat.RunAsync(arguments[0]);
                case "dropped": return Flat.Drop(arguments[0]);
                case "both_ways": return await Flat.BothWaysAsync(arguments[0], int.Parse(arguments[1]));
                case "clock": return Subscriptions.PublishOne(arguments[0]);
                case "stream": return StreamFlow.Hold(arguments[0]);
                case "served": return StreamFlow.Serve(arguments[0]);
                case "slow": return await Overflowing.TakeLateAsync(arguments[0]);
                case "version": return Version();
                case "fail_unheard": return Failing.FailUnheard(arguments[0]);
                case "watched": return Failing.Watched(arguments[0]);
                case "values": return Values.Print();
                default: return await Exits.RunAsync(name, arguments[0]);
            }
        }

        /// <summary>Prints whether the library is supported, and its version or how it cannot be loaded, twice.</summary>
        private static int Version()
        {
            for (int time = 0; time < 2; time++)
            {
                try
                {
                    Console.WriteLine($"{Ipc.Supported} {Ipc.Version}");
                }
                catch (IpcException exception)
                {
                    Console.WriteLine($"{Ipc.Supported} {exception.Status}: {exception.Message}");
                }
            }
            return 0;
        }
    }
}
