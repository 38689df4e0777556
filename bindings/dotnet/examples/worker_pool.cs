using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;

namespace SimpleIpc.Examples
{
    /// <summary>Four workers square numbers that a dispatcher spreads over them; prints the sum of the squares of 0 to 99.</summary>
    internal static class WorkerPool
    {
        internal static async Task RunAsync()
        {
            var listeners = new List<IpcListener>();
            var clients = new List<IpcClient>();
            for (int worker = 0; worker < 4; worker++)
            {
                listeners.Add(Ipc.ListenUdsRequest<int, int>($"worker_{worker}", number => number * number));
                clients.Add(IpcClient.ConnectUds($"worker_{worker}"));
            }
            int[] squares = await Task.WhenAll(
                Enumerable.Range(0, 100).Select(number => clients[number % 4].RequestAsync<int, int>(number)));
            Console.WriteLine(squares.Sum());
            clients.ForEach(client => client.Dispose());
            listeners.ForEach(listener => listener.Dispose());
        }
    }
}
