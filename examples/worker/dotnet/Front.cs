using System;
using System.Diagnostics;
using System.Threading.Tasks;

namespace SimpleIpc.Examples.Worker
{
    /// <summary>Starts a worker, has it compute, leaves a job, and starts another worker where one has crashed.</summary>
    internal static class Front
    {
        private static readonly Job Sum = new Job { Name = "sum_of_squares", To = 1000, Steps = 4 };

        // The first job may come before the worker listens.
        private static readonly IpcOptions Patient = new IpcOptions { Wait = TimeSpan.FromMinutes(1) };

        internal static async Task RunAsync(string command, string[] arguments)
        {
            using (Process worker = Start(command, arguments))
            {
                await ShowAsync(Sum);

                await foreach (Report _ in Ipc.PostUdsStreamAsync<Job, Report>("worker", new Job { Name = "endless" }, Patient))
                {
                    break; // tells the worker
                }

                if (await Ipc.PostUdsRequestAsync<Job, bool>("worker", new Job { Name = "was_left" }))
                {
                    Console.WriteLine("the job that was left has stopped");
                }

                try
                {
                    await ShowAsync(new Job { Name = "unknown" });
                }
                catch (IpcException error) when (error.Status == IpcStatus.HandlerFailed)
                {
                    Console.WriteLine($"refused: {error.HandlerCode}");
                }

                try
                {
                    await ShowAsync(new Job { Name = "crash" });
                }
                catch (IpcException error) when (error.Status == IpcStatus.ConnectionLost)
                {
                    Console.WriteLine("the worker crashed: connection_lost");
                }

                End(worker);
            }

            using (Process worker = Start(command, arguments))
            {
                await ShowAsync(Sum);
                End(worker);
            }
        }

        private static async Task ShowAsync(Job job)
        {
            await foreach (Report report in Ipc.PostUdsStreamAsync<Job, Report>("worker", job, Patient))
            {
                Console.WriteLine(report.Result is long result ? $"result {result}" : $"{report.Progress} %");
            }
        }

        /// <summary>A worker process. It ends with this one, since its standard input does.</summary>
        private static Process Start(string command, string[] arguments)
        {
            var start = new ProcessStartInfo(command) { RedirectStandardInput = true, UseShellExecute = false };
            foreach (string argument in arguments) start.ArgumentList.Add(argument);
            return Process.Start(start)!;
        }

        private static void End(Process worker)
        {
            worker.StandardInput.Close();
            worker.WaitForExit();
        }
    }
}
