using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Runtime.InteropServices;

namespace SimpleIpc.Native
{
    /// <summary>Finds the C library and makes sure that it is the one this assembly was written for.</summary>
    internal static class Library
    {
        /// <summary><c>SIPC_ABI_VERSION</c> of the header; a test compares them.</summary>
        internal const uint AbiNumber = 0;

        /// <summary>The environment variable that names the file of the C library.</summary>
        internal const string PathVariable = "SIMPLE_IPC_LIBRARY";

        private static readonly bool IsMac = RuntimeInformation.IsOSPlatform(OSPlatform.OSX);
        private static readonly bool IsWindows = RuntimeInformation.IsOSPlatform(OSPlatform.Windows);
        // On Windows, too, with `lib`: files have no case there, and SimpleIpc.dll is this assembly.
        private static readonly string FileName = "lib" + NativeMethods.LibraryName + (IsWindows ? ".dll" : IsMac ? ".dylib" : ".so");
        private static readonly object Gate = new object();
        private static volatile bool ready;
        private static bool resolverSet;
        private static IntPtr loaded;

        /// <summary>Loads and checks the library the first time; a failure leaves the next call to try again.</summary>
        internal static void Ensure()
        {
            if (ready)
            {
                return;
            }
            lock (Gate)
            {
                if (ready)
                {
                    return;
                }
                if (loaded == IntPtr.Zero)
                {
                    loaded = Find(out string found);
                    CheckAbi(found);
                }
                if (!resolverSet)
                {
                    NativeLibrary.SetDllImportResolver(typeof(Library).Assembly, Resolve);
                    resolverSet = true;
                }
                ready = true;
            }
        }

        private static IntPtr Resolve(string name, Assembly assembly, DllImportSearchPath? search) =>
            name == NativeMethods.LibraryName ? loaded : IntPtr.Zero;

        private static IntPtr Find(out string found)
        {
            string? named = Environment.GetEnvironmentVariable(PathVariable);
            if (!string.IsNullOrEmpty(named))
            {
                found = named!;
                try
                {
                    return NativeLibrary.Load(named!);
                }
                catch (Exception failure) when (failure is DllNotFoundException || failure is BadImageFormatException)
                {
                    throw Missing($"cannot load \"{named}\", which {PathVariable} names: correct the variable or unset it", failure);
                }
            }

            var tried = new List<string>();
            // Where the package's library is, as the application's .deps.json says, and beside the assembly.
            if (NativeLibrary.TryLoad(IsWindows ? FileName : NativeMethods.LibraryName, typeof(Library).Assembly, null, out IntPtr library))
            {
                found = FileName;
                return library;
            }
            tried.Add("the application's native libraries");
            foreach (string file in Candidates())
            {
                if (NativeLibrary.TryLoad(file, out library))
                {
                    found = file;
                    return library;
                }
                tried.Add(file);
            }
            string tail = string.Join(", ", tried);
            throw Missing(
                $"cannot find {FileName}: install the package SimpleIpc or the library, or name its file in {PathVariable}; the package has "
                    + $"none for every platform, and this is {RuntimeInformation.OSDescription.Trim()} on {Architecture}; tried {tail}",
                null);
        }

        private static string Architecture => RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();

        private static IEnumerable<string> Candidates()
        {
            string folder = AppContext.BaseDirectory;
            yield return Path.Combine(folder, "runtimes", (IsWindows ? "win-" : IsMac ? "osx-" : "linux-") + Architecture, "native", FileName);
            yield return Path.Combine(folder, FileName);
            if (!IsMac && !IsWindows)
            {
                // As `make install` names it, wherever the system's loader looks.
                yield return FileName + "." + AbiNumber;
            }
        }

        // NativeLibrary.GetExport and one call through it: a DllImport would bind the library for good.
        private static void CheckAbi(string found)
        {
            IntPtr library = loaded;
            loaded = IntPtr.Zero;
            if (!NativeLibrary.TryGetExport(library, "sipc_abi_version", out IntPtr function))
            {
                NativeLibrary.Free(library);
                throw Missing($"\"{found}\" is not the C library of Simple IPC: correct {PathVariable} or the installation", null);
            }
            uint number = Marshal.GetDelegateForFunctionPointer<AbiVersion>(function)();
            if (number != AbiNumber)
            {
                NativeLibrary.Free(library);
                throw new IpcException(
                    IpcStatus.UnsupportedVersion,
                    $"\"{found}\" has the ABI number {number}, and this assembly needs {AbiNumber}: install the C library and the package SimpleIpc in the same version");
            }
            loaded = library;
        }

        private static IpcException Missing(string message, Exception? cause) =>
            new IpcException(IpcStatus.Os, message, false, 0, cause ?? new DllNotFoundException(message));

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate uint AbiVersion();
    }
}
