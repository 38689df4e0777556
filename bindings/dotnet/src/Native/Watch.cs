using System.Collections.Generic;
using System.Threading;

namespace SimpleIpc.Native
{
    /// <summary>
    /// Looks after the callers of those handlers that asked for a cancellation token. One timer for the process, which
    /// runs only while there are any: the C library is asked, since while a handler holds a session's thread nothing else
    /// reads from that session.
    /// </summary>
    internal static class Watch
    {
        private const int Milliseconds = 20;

        private static readonly object Gate = new object();
        private static readonly List<IpcContext> Contexts = new List<IpcContext>();
        private static Timer? timer;

        internal static void Add(IpcContext context)
        {
            lock (Gate)
            {
                Contexts.Add(context);
                if (Contexts.Count == 1)
                {
                    timer ??= new Timer(_ => Look(), null, Timeout.Infinite, Timeout.Infinite);
                    timer.Change(Milliseconds, Timeout.Infinite);
                }
            }
        }

        private static void Look()
        {
            IpcContext[] all;
            lock (Gate)
            {
                all = Contexts.ToArray();
            }
            var ended = new HashSet<IpcContext>();
            foreach (IpcContext context in all)
            {
                if (!context.StillWatched())
                {
                    ended.Add(context);
                }
            }
            lock (Gate)
            {
                Contexts.RemoveAll(ended.Contains);
                if (Contexts.Count > 0)
                {
                    timer!.Change(Milliseconds, Timeout.Infinite);
                }
            }
        }
    }
}
