using System;
using System.Collections.Concurrent;
using System.Threading;

namespace SimpleIpc.Native
{
    /// <summary>
    /// Calls that have ended and whose tasks have not been told. A work item of the thread pool tells all that are there, one
    /// after another in its thread: what the tasks go on with runs there. So a batch of answers costs one change of thread.
    /// </summary>
    internal sealed class Completions : IThreadPoolWorkItem
    {
        /// <summary>How long a work item goes on, in milliseconds, before others of the pool have their turn.</summary>
        private const int Slice = 15;

        private static readonly Completions Item = new Completions();
        private static readonly ConcurrentQueue<AwaitedCall> Ended = new ConcurrentQueue<AwaitedCall>();

        // 1 while a work item is in the pool that has not begun. Each write is a full fence: who adds a call either finds it
        // 0 and requests a work item, or the one that is there has yet to look for calls.
        private static int isRequested;

        /// <summary>Has a call told on the thread pool.</summary>
        internal static void Add(AwaitedCall call)
        {
            Ended.Enqueue(call);
            Request();
        }

        public void Execute()
        {
            Interlocked.Exchange(ref isRequested, 0);
            int began = Environment.TickCount;
            while (Ended.TryDequeue(out AwaitedCall? call))
            {
                // What the task goes on with may block, perhaps until another of these calls has been told: another thread
                // of the pool tells the others meanwhile.
                if (!Ended.IsEmpty)
                {
                    Request();
                }
                call.Tell();
                if (unchecked(Environment.TickCount - began) >= Slice)
                {
                    if (!Ended.IsEmpty)
                    {
                        Request();
                    }
                    return;
                }
            }
        }

        private static void Request()
        {
            if (Interlocked.CompareExchange(ref isRequested, 1, 0) == 0)
            {
                ThreadPool.UnsafeQueueUserWorkItem(Item, preferLocal: false);
            }
        }
    }
}
