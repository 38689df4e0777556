using System;
using System.Diagnostics;
using System.Globalization;
using System.Threading.Tasks;

namespace SimpleIpc.Demo
{
    /// <summary>Listens, posts or subscribes in C#: <c>listen NAME|:PORT</c>, <c>post NAME|:PORT TEXT</c>, <c>subscribe NAME</c>.</summary>
    static class Example
    {
        static async Task Main(string[] arguments)
        {
            string channel = arguments[1];
            int? port = channel[0] == ':' ? int.Parse(channel.Substring(1), CultureInfo.InvariantCulture) : (int?)null;
            if (arguments[0] == "listen")
            {
                // Plain text is off on TCP unless it is asked for.
                var options = new IpcOptions { PlainText = true };
                using var server = port is int free
                    ? Ipc.ListenIpRequest<string, string>(free, Answer, options)
                    : Ipc.ListenUdsRequest<string, string>(channel, Answer, options);
                Console.Error.WriteLine($"ready on {server.Path ?? $"127.0.0.1:{server.Port}"}");
                Console.In.ReadToEnd();
                return;
            }
            if (arguments[0] == "subscribe")
            {
                var until = new IpcOptions { Wait = TimeSpan.FromMinutes(1), Reconnect = TimeSpan.Zero };
                await using var events = await Ipc.SubscribeUdsAsync<string>(channel, until);
                await foreach (var tick in events) Console.WriteLine(tick.Data);
                return;
            }
            var watch = Stopwatch.StartNew();
            string reply = port is int known
                ? await Ipc.PostIpRequestAsync<string, string>(known, arguments[2])
                : await Ipc.PostUdsRequestAsync<string, string>(channel, arguments[2]);
            Console.Error.WriteLine((long)(watch.Elapsed.TotalMilliseconds * 1000));
            Console.WriteLine(reply);
        }

        static string Answer(string data)
        {
            Console.WriteLine(data);
            return "response-bar";
        }
    }
}
