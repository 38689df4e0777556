using System;
using System.Diagnostics;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>The README's first example and those of the examples folder, as processes of their own.</summary>
    internal static class Examples
    {
        [Test]
        internal static void first_example_of_the_readme_prints_its_reply() =>
            Check.Equal("response-bar", Say("SIMPLE_IPC_README_PROGRAM"));

        [Test]
        internal static void one_way_counts_what_was_sent() => Check.Equal("1000", Say("SIMPLE_IPC_EXAMPLES", "one_way"));

        [Test]
        internal static void cancel_reaches_the_handler() => Check.Equal("cancelled", Say("SIMPLE_IPC_EXAMPLES", "cancel"));

        [Test]
        internal static void worker_pool_adds_squares() => Check.Equal("328350", Say("SIMPLE_IPC_EXAMPLES", "worker_pool"));

        [Test]
        internal static void clock_ticks_three_times() => Check.Equal("tick 1\ntick 2\ntick 3", Say("SIMPLE_IPC_EXAMPLES", "clock"));

        [Test]
        internal static void streams_of_each_kind_print_what_came()
        {
            foreach ((string name, string due) in new[]
            {
                ("progress", "1 of 3\n2 of 3\n3 of 3"),
                ("follow_a_log", "started\nworking\nstopped\nthe log is no longer followed"),
                ("upload", "a film: 100 chunks, 6553600 bytes"),
                ("chat", "hello, Ada\nyou said: how are you?\nyou said: see you\ngoodbye"),
            })
            {
                Check.Equal(due, Say("SIMPLE_IPC_STREAM_EXAMPLES", name));
            }
        }

        [Test]
        internal static async Task echo_client_hears_itself_and_the_listener_ends_at_an_interrupt()
        {
            using var scratch = new Scratch();
            using Process listener = Start(scratch, "SIMPLE_IPC_EXAMPLES", "echo_listener", "own_name");
            Check.Contains("own_name", await listener.StandardOutput.ReadLineAsync() ?? "");
            using (Process client = Start(scratch, "SIMPLE_IPC_EXAMPLES", "echo_client", "own_name"))
            {
                Check.Equal("hello\n", client.StandardOutput.ReadToEnd());
            }
            using (Process kill = Process.Start("kill", $"-INT {listener.Id}"))
            {
                kill.WaitForExit();
            }
            listener.WaitForExit();
            Check.Equal(0, listener.ExitCode);
            Check.Equal(0, Ipc.Channels(scratch.Path).Count);
        }

        private static string Say(string program, params string[] arguments)
        {
            using var scratch = new Scratch();
            using Process process = Start(scratch, program, arguments);
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Check.Equal(0, process.ExitCode);
            return output.TrimEnd();
        }

        private static Process Start(Scratch scratch, string program, params string[] arguments)
        {
            string dll = Environment.GetEnvironmentVariable(program) ?? throw new Exception($"{program} is to name a program; test.sh does so");
            var start = new ProcessStartInfo(Process.GetCurrentProcess().MainModule!.FileName!) { RedirectStandardOutput = true, UseShellExecute = false };
            start.ArgumentList.Add("exec");
            start.ArgumentList.Add(dll);
            foreach (string argument in arguments)
            {
                start.ArgumentList.Add(argument);
            }
            start.Environment["SIMPLE_IPC_DIR"] = scratch.Path;
            return Process.Start(start)!;
        }
    }
}
