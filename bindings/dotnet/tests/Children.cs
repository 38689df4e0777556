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
                case "exit_listening": return ExitListening(arguments[0]);
                case "exit_in_calls": return await ExitInCallsAsync(arguments[0]);
                case "exit_in_handlers": return ExitInHandlers(arguments[0]);
                case "exit_called_in_handler": return ExitCalledInHandler(arguments[0]);
                case "flat": return await Flat.RunAsync(arguments[0]);
                case "version": return Version();
                default: throw new ArgumentException($"no program is called {name}");
            }
        }

        private static int ExitListening(string directory)
        {
            var options = new IpcOptions { Directory = directory };
            Ipc.ListenUdsRequest<string, string>("exit", data => data, options);
            IpcListener broadcast = Ipc.ListenUdsBroadcast<string>("exit_b", _ => { }, options);
            Ipc.PostUdsRequest<string, string>("exit", "x", options);
            Console.WriteLine("ready");
            GC.KeepAlive(broadcast);
            return 0;
        }

        private static async Task<int> ExitInCallsAsync(string directory)
        {
            var options = new IpcOptions { Directory = directory };
            var entered = new SemaphoreSlim(0);
            IpcListener listener = Ipc.ListenUdsRequest<string, string>("exit", data => { entered.Release(); return new TaskCompletionSource<string>(options).Task; }, options);
            IpcClient client = IpcClient.ConnectUds("exit", options);
            Task[] calls = Enumerable.Range(0, 10).Select(_ => (Task)client.RequestAsync<string, string>("x")).ToArray();
            var thread = new Thread(() => client.Request<string, string>("x")) { IsBackground = true };
            thread.Start();
            for (int call = 0; call < 11; call++)
            {
                await entered.WaitAsync();
            }
            Console.WriteLine("ready");
            GC.KeepAlive(listener);
            GC.KeepAlive(calls);
            return 0;
        }

        private static int ExitInHandlers(string directory)
        {
            var options = new IpcOptions { Directory = directory };
            var entered = new SemaphoreSlim(0);
            // Handlers that go in and out of managed code while the process ends, and one that stays inside.
            IpcListener listener = Ipc.ListenUdsRequest<int, int>("exit", data => { entered.Release(); if (data < 0) Thread.Sleep(Timeout.Infinite); return data; }, options);
            IpcClient client = IpcClient.ConnectUds("exit", options);
            foreach (int start in new[] { -1, 0, 0, 0 })
            {
                new Thread(() =>
                {
                    while (true)
                    {
                        Ipc.PostUdsRequest<int, int>("exit", start, options);
                        client.RequestAsync<int, int>(1).GetAwaiter().GetResult();
                    }
                })
                { IsBackground = true }.Start();
            }
            for (int message = 0; message < 200; message++)
            {
                entered.Wait();
            }
            Console.WriteLine("ready");
            GC.KeepAlive(listener);
            return 0;
        }

        private static int ExitCalledInHandler(string directory)
        {
            var options = new IpcOptions { Directory = directory };
            IpcListener listener = Ipc.ListenUdsRequest<int, int>("exit", data => { Console.WriteLine("ready"); Environment.Exit(0); return data; }, options);
            try
            {
                Ipc.PostUdsRequest<int, int>("exit", 1, options);
            }
            finally
            {
                GC.KeepAlive(listener);
                Thread.Sleep(Timeout.Infinite);
            }
            return 1;
        }

        /// <summary>Prints the library's version, or how it cannot be loaded, twice.</summary>
        private static int Version()
        {
            for (int time = 0; time < 2; time++)
            {
                try
                {
                    Console.WriteLine(Ipc.Version);
                }
                catch (IpcException exception)
                {
                    Console.WriteLine($"{exception.Status}: {exception.Message}");
                }
            }
            return 0;
        }
    }
}
