using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Examples.Worker
{
    /// <summary>Computes what it is asked to, says how far it is, stops when nobody waits any more.</summary>
    internal static class Worker
    {
        private static readonly TaskCompletionSource<bool> Left = new TaskCompletionSource<bool>();

        /// <summary>Ends with the process that started it, since its standard input ends then.</summary>
        internal static void Run(string channel)
        {
            using IpcListener listener = Ipc.ListenUdsRequest<Job, object>(channel, Handle);
            Console.In.ReadToEnd();
        }

        /// <summary>Answers with a sequence, or with a value, as the job is.</summary>
        private static async Task<object> Handle(Job job)
        {
            switch (job.Name)
            {
                case "sum_of_squares": return SumOfSquares(job.To, job.Steps);
                case "endless": return Endless();
                case "was_left": return await Left.Task;
                case "crash":
                    Process.GetCurrentProcess().Kill();
                    return true;
                default: throw new HandlerException($"no such job: {job.Name}", "no_such_job");
            }
        }

        private static async IAsyncEnumerable<object> SumOfSquares(long to, int steps)
        {
            long total = 0;
            for (int step = 1; step <= steps; step++)
            {
                for (long number = (to * (step - 1) / steps) + 1; number <= to * step / steps; number++) total += number * number;
                yield return new { Progress = 100 * step / steps };
            }

            await Task.Yield();
            yield return new { Result = total };
        }

        private static async IAsyncEnumerable<object> Endless([EnumeratorCancellation] CancellationToken token = default)
        {
            try
            {
                while (!token.IsCancellationRequested)
                {
                    await Task.Yield();
                    yield return new { Progress = 0 };
                }
            }
            finally
            {
                // The caller has left its loop, or is gone: what the job holds is given back here.
                Left.TrySetResult(true);
            }
        }
    }
}
