using System;
using System.Threading.Tasks;

namespace SimpleIpc.Examples.Streams
{
    /// <summary>Runs the example that the first argument names.</summary>
    internal static class Program
    {
        private static async Task<int> Main(string[] arguments)
        {
            switch (arguments.Length > 0 ? arguments[0] : "")
            {
                case "progress": await Progress.RunAsync(); return 0;
                case "follow_a_log": await FollowALog.RunAsync(); return 0;
                case "upload": await Upload.RunAsync(); return 0;
                case "chat": await Chat.RunAsync(); return 0;
                default:
                    Console.Error.WriteLine("usage: progress | follow_a_log | upload | chat");
                    return 2;
            }
        }
    }
}
