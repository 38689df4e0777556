using System;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Examples
{
    /// <summary>A request to a slow handler is cancelled after 100 ms; the handler hears of it and stops working.</summary>
    internal static class Cancel
    {
        internal static async Task RunAsync()
        {
            var begun = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            var heard = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            await using IpcListener listener = Ipc.ListenUdsRequest<string, string>("cancel", async (request, context) =>
            {
                begun.SetResult(true);
                try
                {
                    await Task.Delay(Timeout.Infinite, context.CancellationToken);
                }
                finally
                {
                    heard.SetResult(true);
                }
                return "never";
            });
            using var source = new CancellationTokenSource();
            Task<string> call = Ipc.PostUdsRequestAsync<string, string>("cancel", "work", null, source.Token);
            await begun.Task; // cancelled before that, the request would not reach the handler at all
            source.CancelAfter(TimeSpan.FromMilliseconds(100));
            try
            {
                await call;
            }
            catch (OperationCanceledException)
            {
                await heard.Task;
                Console.WriteLine("cancelled");
            }
        }
    }
}
