using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>Marks a test: a static method without parameters that throws if its promise does not hold.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    internal sealed class TestAttribute : Attribute
    {
    }

    /// <summary>
    /// Runs tests, all of them or those whose names contain one of the arguments; the last line is `N passed, N failed`, and
    /// `, N skipped` where some were left out.
    /// `--child NAME ARGUMENT…` runs one of the programs that tests start as processes of their own.
    /// </summary>
    internal static class Program
    {
        // Far away from what any test takes: slow is not failed.
        private static readonly TimeSpan Watchdog = TimeSpan.FromMinutes(5);

        private static async Task<int> Main(string[] arguments)
        {
            if (arguments.Length > 1 && arguments[0] == "--child")
            {
                return await Children.RunAsync(arguments[1], arguments.Skip(2).ToArray());
            }
            int passed = 0, failed = 0, skipped = 0;
            foreach (MethodInfo test in Tests(arguments))
            {
                string name = $"{test.DeclaringType!.Name}.{test.Name}";
                try
                {
                    Task run = Task.Run(async () => await ((Task?)test.Invoke(null, null) ?? Task.CompletedTask));
                    if (await Task.WhenAny(run, Task.Delay(Watchdog)) != run)
                    {
                        Console.WriteLine($"not ok - {name}: it hangs, and so this run ends");
                        Console.WriteLine($"{passed} passed, {failed + 1} failed");
                        return 1;
                    }
                    await run;
                    passed++;
                    Console.WriteLine($"ok - {name}");
                }
                catch (Exception exception)
                {
                    Exception shown = exception is TargetInvocationException ? exception.InnerException! : exception;
                    if (shown is LeftOutException)
                    {
                        skipped++;
                        Console.WriteLine($"{name} is left out: {shown.Message}");
                        continue;
                    }
                    failed++;
                    Console.WriteLine($"not ok - {name}");
                    Console.WriteLine("# " + shown.ToString().Replace("\n", "\n# "));
                }
            }
            Console.WriteLine($"{passed} passed, {failed} failed" + (skipped > 0 ? $", {skipped} skipped" : ""));
            return failed == 0 && passed > 0 ? 0 : 1;
        }

        private static IEnumerable<MethodInfo> Tests(string[] names) =>
            from type in typeof(Program).Assembly.GetTypes()
            orderby type.Name
            from method in type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
            where method.GetCustomAttribute<TestAttribute>() != null
            where names.Length == 0 || names.Any(name => $"{type.Name}.{method.Name}".Contains(name))
            select method;
    }

    /// <summary>A process that runs this program again.</summary>
    internal sealed class Child : IDisposable
    {
        private readonly Process process;

        internal Child(string name, IDictionary<string, string>? environment = null, params string[] arguments)
        {
            var start = new ProcessStartInfo(Process.GetCurrentProcess().MainModule!.FileName!)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true,
                UseShellExecute = false,
            };
            foreach (string argument in new[] { "exec", typeof(Program).Assembly.Location, "--child", name }.Concat(arguments))
            {
                start.ArgumentList.Add(argument);
            }
            foreach (KeyValuePair<string, string> variable in environment ?? new Dictionary<string, string>())
            {
                start.Environment[variable.Key] = variable.Value;
            }
            process = Process.Start(start)!;
        }

        internal int Id => process.Id;

        /// <summary>One line of what the process prints.</summary>
        internal string? ReadLine() => process.StandardOutput.ReadLine();

        /// <summary>Gives it one line to read.</summary>
        internal void WriteLine(string line) => process.StandardInput.WriteLine(line);

        /// <summary>Waits for its end; gives its exit code and what it printed.</summary>
        internal async Task<(int Code, string Output, string Errors)> EndAsync()
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string printed = await output, complained = await errors;
            process.WaitForExit();
            // The end of a line is two characters on Windows.
            return (process.ExitCode, printed.Replace("\r", "").TrimEnd(), complained.Replace("\r", "").TrimEnd());
        }

        /// <summary>Returns when it is gone.</summary>
        internal void Kill()
        {
            process.Kill();
            process.WaitForExit();
        }

        public void Dispose()
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
            process.Dispose();
        }
    }

    /// <summary>A directory for the channels of one test.</summary>
    internal sealed class Scratch : IDisposable
    {
        internal Scratch()
        {
            Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), "sipc-" + Guid.NewGuid().ToString("N").Substring(0, 12));
            Directory.CreateDirectory(Path);
        }

        internal string Path { get; }

        internal IpcOptions Options => new IpcOptions { Directory = Path };

        public void Dispose() => Directory.Delete(Path, true);
    }

    /// <summary>What a test ends with that cannot be done on this system.</summary>
    internal sealed class LeftOutException : Exception
    {
        internal LeftOutException(string reason)
            : base(reason)
        {
        }
    }

    internal static class Check
    {
        internal static bool IsWindows { get; } = RuntimeInformation.IsOSPlatform(OSPlatform.Windows);

        /// <summary>Leaves a test out on Windows, and says why.</summary>
        internal static void NotOnWindows(string reason)
        {
            if (IsWindows)
            {
                throw new LeftOutException(reason);
            }
        }

        internal static void Equal<T>(T expected, T actual)
        {
            if (!EqualityComparer<T>.Default.Equals(expected, actual))
            {
                throw new Exception($"expected <{expected}>, got <{actual}>");
            }
        }

        internal static void True(bool holds, string what)
        {
            if (!holds)
            {
                throw new Exception($"does not hold: {what}");
            }
        }

        internal static void Contains(string part, string whole)
        {
            if (!whole.Contains(part))
            {
                throw new Exception($"<{part}> is not in <{whole}>");
            }
        }

        internal static async Task<T> ThrowsAsync<T>(Func<Task> call) where T : Exception
        {
            try
            {
                await call();
            }
            catch (T expected)
            {
                return expected;
            }
            throw new Exception($"no {typeof(T).Name} was thrown");
        }

        internal static T Throws<T>(Action call) where T : Exception
        {
            try
            {
                call();
            }
            catch (T expected)
            {
                return expected;
            }
            throw new Exception($"no {typeof(T).Name} was thrown");
        }

        internal static IpcException Fails(IpcStatus status, Action call)
        {
            IpcException exception = Throws<IpcException>(call);
            Equal(status, exception.Status);
            True(exception.Message.Length > 0 && !exception.Message.Contains('\n'), $"one line: {exception.Message}");
            return exception;
        }

        internal static async Task<IpcException> FailsAsync(IpcStatus status, Func<Task> call)
        {
            IpcException exception = await ThrowsAsync<IpcException>(call);
            Equal(status, exception.Status);
            True(exception.Message.Length > 0 && !exception.Message.Contains('\n'), $"one line: {exception.Message}");
            return exception;
        }
    }
}
