using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Native
{
    /// <summary>
    /// Calls that may block, made one after another in the order in which they were given, on one thread. It is started with
    /// the first of them, and ends where none has come for a while.
    /// </summary>
    internal sealed class Turns
    {
        private static readonly TimeSpan Idle = TimeSpan.FromMilliseconds(200);

        // Guards both fields. A call is added under it, and the thread waits for one on it.
        private readonly object gate = new object();
        private readonly Queue<Turn> turns = new Queue<Turn>();

        // Whether there is a thread. It alone sets it to false, where it has found no call.
        private bool isServed;

        /// <summary>Makes a call when its turn comes. Cancelling gives up one whose turn has not come: it is not made.</summary>
        internal async Task<int> RunAsync(Func<int> call, CancellationToken token)
        {
            var turn = new Turn(call, token);
            using (token.Register(Turn.GiveUp, turn))
            {
                Add(turn);
                return await turn.Task.ConfigureAwait(false);
            }
        }

        private void Add(Turn turn)
        {
            lock (gate)
            {
                turns.Enqueue(turn);
                if (isServed)
                {
                    Monitor.Pulse(gate);
                    return;
                }
                isServed = true;
            }
            try
            {
                Offload.Begin(Serve);
            }
            catch (Exception)
            {
                // The system has no thread: the next call tries again, and this one is certainly not made.
                lock (gate)
                {
                    isServed = false;
                }
                turn.Withdraw();
                throw;
            }
        }

        private void Serve()
        {
            while (Next() is Turn turn)
            {
                turn.Take();
            }
        }

        private Turn? Next()
        {
            lock (gate)
            {
                while (turns.Count == 0)
                {
                    if (!Monitor.Wait(gate, Idle) && turns.Count == 0)
                    {
                        isServed = false;
                        return null;
                    }
                }
                return turns.Dequeue();
            }
        }

        private sealed class Turn : TaskCompletionSource<int>
        {
            internal static readonly Action<object?> GiveUp = turn => ((Turn)turn!).Cancel();

            private readonly CancellationToken token;

            // Null once it is made or given up: whoever takes it out decides.
            private Func<int>? call;

            internal Turn(Func<int> call, CancellationToken token) : base(TaskCreationOptions.RunContinuationsAsynchronously)
            {
                this.call = call;
                this.token = token;
            }

            internal void Take()
            {
                if (!(Interlocked.Exchange(ref call, null) is Func<int> taken))
                {
                    return;
                }
                try
                {
                    SetResult(taken());
                }
                catch (Exception exception)
                {
                    SetException(exception);
                }
            }

            /// <summary>True where it is certain not to be made.</summary>
            internal bool Withdraw() => Interlocked.Exchange(ref call, null) != null;

            private void Cancel()
            {
                if (Withdraw())
                {
                    // SetCanceled has no token on .NET Core 3.1.
                    TrySetCanceled(token);
                }
            }
        }
    }
}
