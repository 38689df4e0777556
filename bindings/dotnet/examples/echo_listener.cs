using System;
using System.Threading.Tasks;

namespace SimpleIpc.Examples
{
    /// <summary>Answers each request with its own body, whatever that is, until Ctrl-C.</summary>
    internal static class EchoListener
    {
        internal static async Task RunAsync(string channel)
        {
            var stopped = new TaskCompletionSource<bool>();
            Console.CancelKeyPress += (_, pressed) =>
            {
                pressed.Cancel = true; // the process ends when the listener has closed
                stopped.TrySetResult(true);
            };
            await using IpcListener listener = Ipc.ListenUdsRequest<IpcMessage, IpcMessage>(channel, request => request);
            Console.WriteLine($"listening on {listener.Address}");
            await stopped.Task;
        }
    }
}
