using System;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Native
{
    /// <summary>What C has in blocking form only, asynchronously, or so that a token gives up waiting for it.</summary>
    internal static class Offload
    {
        /// <summary>
        /// Makes a call on a thread of its own. Cancelling gives up waiting; what comes of the
        /// call nevertheless is disposed of.
        /// </summary>
        internal static async Task<T> RunAsync<T>(Func<T> call, CancellationToken token)
        {
            token.ThrowIfCancellationRequested();
            Task<T> work = Start(call);
            if (token.CanBeCanceled)
            {
                var cancelled = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
                using (token.Register(state => ((TaskCompletionSource<bool>)state!).TrySetResult(true), cancelled))
                {
                    if (await Task.WhenAny(work, cancelled.Task).ConfigureAwait(false) != work)
                    {
                        Abandon(work);
                        throw new OperationCanceledException(token);
                    }
                }
            }
            return await work.ConfigureAwait(false);
        }

        internal static Task RunAsync(Action call, CancellationToken token) => RunAsync(WithResult(call), token);

        /// <summary>The same for a caller that blocks; on its own thread where the token cannot be cancelled.</summary>
        internal static T Run<T>(Func<T> call, CancellationToken token)
        {
            if (!token.CanBeCanceled)
            {
                return call();
            }
            token.ThrowIfCancellationRequested();
            Task<T> work = Start(call);
            try
            {
                work.Wait(token);
            }
            catch (OperationCanceledException) when (token.IsCancellationRequested)
            {
                Abandon(work);
                throw;
            }
            catch (AggregateException)
            {
                // Thrown below as it is.
            }
            return work.GetAwaiter().GetResult();
        }

        internal static void Run(Action call, CancellationToken token)
        {
            if (token.CanBeCanceled)
            {
                Run(WithResult(call), token);
            }
            else
            {
                call();
            }
        }

        /// <summary>Makes a call on a thread of its own, for which nobody waits.</summary>
        internal static void Begin(Action call) => Abandon(Start(WithResult(call)));

        /// <summary>A thread and not a task that has one: who waits for such a task may come to run it.</summary>
        private static Task<T> Start<T>(Func<T> call)
        {
            var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
            var thread = new Thread(() =>
            {
                try
                {
                    result.SetResult(call());
                }
                catch (Exception exception)
                {
                    result.SetException(exception);
                }
            });
            thread.IsBackground = true;
            thread.Name = "simple_ipc";
            thread.Start();
            return result.Task;
        }

        private static Func<bool> WithResult(Action call) => () =>
        {
            call();
            return true;
        };

        private static void Abandon<T>(Task<T> work) =>
            work.ContinueWith(Discard, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);

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
