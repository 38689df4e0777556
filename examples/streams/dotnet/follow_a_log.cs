using System;
using System.Collections.Generic;
using System.IO;
using System.Threading.Tasks;

namespace SimpleIpc.Examples.Streams
{
    /// <summary>A log is followed as it is written, until its reader has seen enough.</summary>
    internal static class FollowALog
    {
        internal static async Task RunAsync()
        {
            string log = Path.GetTempFileName();
            File.AppendAllText(log, "started\n");
            using (Ipc.ListenUdsRequest<string, string>("follow_a_log", Follow))
            {
                await foreach (string line in Ipc.PostUdsStreamAsync<string, string>("follow_a_log", log))
                {
                    Console.WriteLine(line);
                    if (line == "started")
                    {
                        File.AppendAllText(log, "working\nstopped\n");
                    }
                    if (line == "stopped")
                    {
                        break; // the handler is told at once
                    }
                }
            }
            File.Delete(log);
        }

        private static async IAsyncEnumerable<string> Follow(string path, IpcContext context)
        {
            using var log = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            try
            {
                while (true)
                {
                    if (log.ReadLine() is string line)
                    {
                        yield return line;
                    }
                    else
                    {
                        await Task.Delay(10, context.CancellationToken); // which ends when the caller leaves
                    }
                }
            }
            finally
            {
                Console.WriteLine("the log is no longer followed");
            }
        }
    }
}
