using System;
using System.Diagnostics;
using System.Threading;

namespace SimpleIpc.Native
{
    /// <summary>
    /// How many asynchronous handlers of a listener run. Closing waits for them, also for those whose callers have left: the C
    /// library knows nothing of a handler whose responder has been used up.
    /// </summary>
    internal sealed class HandlersAtWork
    {
        private readonly object gate = new object();

        // How many. Written by interlocked operations alone.
        private int running;

        // Whether somebody waits. Written before `running` is read by who waits, and read after it is written by who ends.
        private int isAwaited;

        internal void Begin() => Interlocked.Increment(ref running);

        internal void End()
        {
            if (Interlocked.Decrement(ref running) == 0 && Volatile.Read(ref isAwaited) != 0)
            {
                lock (gate)
                {
                    Monitor.PulseAll(gate);
                }
            }
        }

        /// <summary>Waits until none runs; false where the time is over before.</summary>
        internal bool Wait(TimeSpan most)
        {
            Interlocked.Exchange(ref isAwaited, 1);
            var watch = Stopwatch.StartNew();
            lock (gate)
            {
                while (Volatile.Read(ref running) > 0)
                {
                    if (most == Timeout.InfiniteTimeSpan)
                    {
                        Monitor.Wait(gate);
                        continue;
                    }
                    TimeSpan left = most - watch.Elapsed;
                    if (left <= TimeSpan.Zero)
                    {
                        return false;
                    }
                    // Monitor takes no more milliseconds than an int holds.
                    Monitor.Wait(gate, left.TotalMilliseconds < int.MaxValue ? (int)Math.Ceiling(left.TotalMilliseconds) : int.MaxValue);
                }
            }
            return true;
        }
    }
}
