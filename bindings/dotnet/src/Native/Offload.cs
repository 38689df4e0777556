using System;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Native
{
    /// <summary>Asynchronous forms of what C has in blocking form only.</summary>
    internal static class Offload
    {
        /// <summary>
        /// Makes a call on a thread of its own. Cancelling gives up waiting; what comes of the
        /// call nevertheless is disposed of.
        /// </summary>
        internal static async Task<T> RunAsync<T>(Func<T> call, CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            Task<T> work = Task.Factory.StartNew(
                call, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            if (token.CanBeCanceled)
            {
                var cancelled = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
                using (token.Register(state => ((TaskCompletionSource<bool>)state!).TrySetResult(true), cancelled))
                {
                    if (await Task.WhenAny(work, cancelled.Task).ConfigureAwait(false) != work)
                    {
                        _ = work.ContinueWith(Discard, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
                        throw new OperationCanceledException(token);
                    }
                }
            }
            return await work.ConfigureAwait(false);
        }

        internal static Task RunAsync(Action call, CancellationToken token) =>
            RunAsync(
                () =>
                {
                    call();
                    return true;
                },
                token);

        private static void Discard<T>(Task<T> work)
        {
            if (work.Status != TaskStatus.RanToCompletion)
            {
                // Looked at, so that it counts as observed.
                _ = work.Exception;
            }
            else if (work.Result is IDisposable result)
            {
                result.Dispose();
            }
        }
    }
}
