using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text.RegularExpressions;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>The C library itself: its table of errors, its header, and what happens where it does not fit.</summary>
    internal static class Library
    {
        private static string Root => Environment.GetEnvironmentVariable("SIMPLE_IPC_ROOT")
            ?? throw new Exception("SIMPLE_IPC_ROOT is to name the checkout; test.sh does so");

        [Test]
        internal static void every_kind_of_error_has_its_status_and_no_other_has()
        {
            // The function is not public here: it is asked for by its name, as any program could.
            IntPtr library = System.Runtime.InteropServices.NativeLibrary.Load(Environment.GetEnvironmentVariable("SIMPLE_IPC_LIBRARY")!);
            var name = System.Runtime.InteropServices.Marshal.GetDelegateForFunctionPointer<StatusName>(
                System.Runtime.InteropServices.NativeLibrary.GetExport(library, "sipc_status_name"));
            var table = new SortedDictionary<int, string>();
            for (int number = 1; number < 1000; number++)
            {
                string text = System.Runtime.InteropServices.Marshal.PtrToStringAnsi(name(number))!;
                if (text != "unknown")
                {
                    table.Add(number, string.Concat(text.Split('_').Select(word => char.ToUpperInvariant(word[0]) + word.Substring(1))));
                }
            }
            Check.True(table.Count > 20, "a table that is no accident");
            var ours = new SortedDictionary<int, string>(
                Enum.GetValues(typeof(IpcStatus)).Cast<IpcStatus>().ToDictionary(status => (int)status, status => status.ToString()));
            Check.Equal(string.Join(" ", table), string.Join(" ", ours));
        }

        [System.Runtime.InteropServices.UnmanagedFunctionPointer(System.Runtime.InteropServices.CallingConvention.Cdecl)]
        private delegate IntPtr StatusName(int status);

        [Test]
        internal static void every_native_function_is_declared_as_the_header_has_it()
        {
            string header = File.ReadAllText(Path.Combine(Root, "include/simple_ipc.h"));
            header = Regex.Replace(header, @"/\*.*?\*/", "", RegexOptions.Singleline);
            var declared = new Dictionary<string, int>();
            foreach (Match? match in Regex.Matches(header, @"(sipc_\w+)\(([^;{}()]*)\);"))
            {
                string parameters = match!.Groups[2].Value.Trim();
                declared[match.Groups[1].Value] = parameters == "void" ? 0 : parameters.Split(',').Length;
            }
            Check.True(declared.Count > 50, "the header was read");
            Type native = typeof(Ipc).Assembly.GetType("SimpleIpc.Native.NativeMethods", true)!;
            int compared = 0;
            foreach (MethodInfo method in native.GetMethods(BindingFlags.Static | BindingFlags.NonPublic).Where(method => method.Name.StartsWith("sipc_")))
            {
                Check.True(declared.ContainsKey(method.Name), $"{method.Name} is in the header");
                Check.Equal((method.Name, declared[method.Name]), (method.Name, method.GetParameters().Length));
                compared++;
            }
            Check.True(compared > 50, "functions were compared");
            string abi = Regex.Match(header, @"#define SIPC_ABI_VERSION (\d+)").Groups[1].Value;
            FieldInfo ours = typeof(Ipc).Assembly.GetType("SimpleIpc.Native.Library", true)!.GetField("AbiNumber", BindingFlags.Static | BindingFlags.NonPublic)!;
            Check.Equal(abi, ours.GetRawConstantValue()!.ToString()!);
            string version = Regex.Match(header, "#define SIPC_VERSION \"([^\"]*)\"").Groups[1].Value;
            Check.Equal(version, Ipc.Version);
            Check.Equal(version + ".0", typeof(Ipc).Assembly.GetName().Version!.ToString());
        }

        [Test]
        internal static async Task library_that_is_there_is_supported()
        {
            using var child = new Child("version", new Dictionary<string, string>());
            string output = (await child.EndAsync()).Output;
            Check.Equal($"True {Ipc.Version}\nTrue {Ipc.Version}", output);
        }

        [Test]
        internal static async Task missing_library_is_a_clear_error_again_and_again()
        {
            Check.NotOnWindows("its other libraries are files of Unix");
            await SaysTwice("Os: cannot load \"/nowhere/libsimpleipc.so\", which SIMPLE_IPC_LIBRARY names", "/nowhere/libsimpleipc.so");
            if (!System.Runtime.InteropServices.NativeLibrary.TryLoad("libsimpleipc.so.0", out _))
            {
                await SaysTwice("Os: cannot find libsimpleipc.so", "");
            }
            // Some library, but not this one.
            string other = Directory.GetFiles(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "libSystem.Native.so").Single();
            await SaysTwice("is not the C library of Simple IPC", other);
            string text = Path.Combine(Root, "README.md");
            await SaysTwice("Os: cannot load", text);
        }

        [Test]
        internal static async Task library_of_another_abi_is_refused()
        {
            Check.NotOnWindows("it compiles a library with cc");
            using var scratch = new Scratch();
            string source = Path.Combine(scratch.Path, "other.c"), library = Path.Combine(scratch.Path, "libsimpleipc.so");
            File.WriteAllText(source, "unsigned sipc_abi_version(void) { return 4711; }\n");
            using (Process compiler = Process.Start(new ProcessStartInfo("cc", $"-shared -fPIC -o {library} {source}") { UseShellExecute = false })!)
            {
                compiler.WaitForExit();
                Check.Equal(0, compiler.ExitCode);
            }
            await SaysTwice($"UnsupportedVersion: \"{library}\" has the ABI number 4711, and this assembly needs", library);
        }

        private static async Task SaysTwice(string expected, string library)
        {
            using var child = new Child("version", new Dictionary<string, string> { ["SIMPLE_IPC_LIBRARY"] = library });
            (int code, string output, string errors) = await child.EndAsync();
            Check.Equal((0, ""), (code, errors));
            string[] lines = output.Split('\n');
            Check.Equal(2, lines.Length);
            foreach (string line in lines)
            {
                Check.Contains(expected, line);
                Check.True(line.StartsWith("False "), "it is not supported");
            }
        }
    }
}
