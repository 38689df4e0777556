using System;
using System.Collections.Generic;
using System.Threading.Tasks;

namespace SimpleIpc.Examples.Streams
{
    /// <summary>A worker reports how far it is while it works. Leaving the loop would stop it.</summary>
    internal static class Progress
    {
        internal static async Task RunAsync()
        {
            using IpcListener worker = Ipc.ListenUdsRequest<string[], Report>("progress", Work);
            await foreach (Report report in Ipc.PostUdsStreamAsync<string[], Report>("progress", new[] { "a", "b", "c" }))
            {
                Console.WriteLine($"{report.Done} of {report.Of}");
            }
        }

        private static async IAsyncEnumerable<Report> Work(string[] files)
        {
            for (int done = 1; done <= files.Length; done++)
            {
                await Task.Delay(1); // the work
                yield return new Report { Done = done, Of = files.Length };
            }
        }

        private sealed class Report
        {
            public int Done { get; set; }

            public int Of { get; set; }
        }
    }
}
