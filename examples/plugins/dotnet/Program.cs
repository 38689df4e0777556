using System;
using System.Diagnostics;
using System.Linq;
using System.Threading.Tasks;

namespace SimpleIpc.Examples.Plugins
{
    /// <summary>A plug-in: changes texts in one way. Ends with the process that started it, since its standard input ends then.</summary>
    internal static class Program
    {
        private static int Main(string[] arguments)
        {
            if (arguments.Length != 2)
            {
                Console.Error.WriteLine("usage: upper|reversed|broken|slow|picky CHANNEL");
                return 2;
            }

            string kind = arguments[0];
            var methods = new IpcMethods
            {
                { "describe", () => $"{kind} (.NET)" },
                { "change", (string text, IpcContext context) => ChangeAsync(kind, text, context) },
            };

            // A handler that still runs does not hold up the end.
            using IpcListener plugin = Ipc.ListenUdsRequest(arguments[1], methods, new IpcOptions { Grace = TimeSpan.Zero });
            Console.In.ReadToEnd();
            return 0;
        }

        private static async Task<string> ChangeAsync(string kind, string text, IpcContext context)
        {
            switch (kind)
            {
                case "upper": return text.ToUpperInvariant();
                case "reversed": return new string(text.Reverse().ToArray());
                case "slow":
                    // Ends when the host does not wait any more.
                    await Task.Delay(TimeSpan.FromMinutes(1), context.CancellationToken);
                    return text;
                case "broken":
                    Process.GetCurrentProcess().Kill();
                    return text;
                default: throw new HandlerException("I do not like this text", "disliked");
            }
        }
    }
}
