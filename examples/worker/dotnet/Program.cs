using System;
using System.Threading.Tasks;

namespace SimpleIpc.Examples.Worker
{
    /// <summary>Runs one of the two sides, in a process each.</summary>
    internal static class Program
    {
        private static async Task<int> Main(string[] arguments)
        {
            switch (arguments.Length > 0 ? arguments[0] : "")
            {
                case "worker":
                    Worker.Run(arguments.Length > 1 ? arguments[1] : "worker");
                    return 0;
                case "front" when arguments.Length > 1:
                    await Front.RunAsync(arguments[1], arguments[2..]);
                    return 0;
                default:
                    Console.Error.WriteLine("usage: worker [CHANNEL] | front COMMAND-OF-THE-WORKER [ARGUMENT…]");
                    return 2;
            }
        }
    }
}
