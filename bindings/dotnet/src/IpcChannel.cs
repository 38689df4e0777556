using System;
using System.Collections.Generic;
using SimpleIpc.Native;

namespace SimpleIpc
{
    /// <summary>A live channel, as <see cref="Ipc.Channels"/> found it.</summary>
    public sealed class IpcChannel
    {
        internal unsafe IpcChannel(NativeChannelInfo* info)
        {
            Channel = Text.FromNative((byte*)info->Channel) ?? "";
            Address = Text.FromNative((byte*)info->Address) ?? "";
            TakesRequests = info->Mode == NativeMethods.ModeRequest;
            TakesBroadcasts = info->Mode == NativeMethods.ModeBroadcast;
            ProcessId = (int)info->Pid;
            Started = DateTimeOffset.FromUnixTimeMilliseconds(info->StartedMilliseconds);
            Version = Text.FromNative((byte*)info->Version) ?? "";
            Publishes = info->Publishes != 0;
            Subscribers = info->Subscribers < 0 ? (long?)null : info->Subscribers;
        }

        /// <summary>Its name, <c>:port</c>, or the path of its socket.</summary>
        public string Channel { get; }

        /// <summary>The path of its socket, or <c>127.0.0.1:port</c>.</summary>
        public string Address { get; }

        /// <summary>
        /// Whether its listener answers requests. Neither this nor <see cref="TakesBroadcasts"/> where it only publishes, or its
        /// lock file does not say.
        /// </summary>
        public bool TakesRequests { get; }

        /// <summary>Whether its listener takes broadcasts.</summary>
        public bool TakesBroadcasts { get; }

        /// <summary>The process that listens; 0 where its lock file does not say.</summary>
        public int ProcessId { get; }

        /// <summary>Since when it listens; 1970-01-01 where its lock file does not say.</summary>
        public DateTimeOffset Started { get; }

        /// <summary>The version of the library that it uses; empty where its lock file does not say.</summary>
        public string Version { get; }

        /// <summary>Whether its listener publishes, alone or beside requests or broadcasts.</summary>
        public bool Publishes { get; }

        /// <summary>How many subscribers it had, a moment ago at most; null where its lock file does not say.</summary>
        public long? Subscribers { get; }
    }

    public static partial class Ipc
    {
        /// <summary>
        /// Whether the library can work here: whether the C library is there for this platform and fits this assembly. Where it
        /// is false every other call throws what stands in the way, an <see cref="IpcException"/> of <see cref="IpcStatus.Os"/>
        /// or <see cref="IpcStatus.UnsupportedVersion"/>. It is asked anew as long as it is false.
        /// </summary>
        public static bool Supported
        {
            get
            {
                try
                {
                    Library.Ensure();
                    return true;
                }
                catch (IpcException)
                {
                    return false;
                }
            }
        }

        /// <summary>The version of the C library, such as "0.1.0".</summary>
        public static unsafe string Version
        {
            get
            {
                Library.Ensure();
                return Text.FromNative(NativeMethods.sipc_version()) ?? "";
            }
        }

        /// <summary>Finds the live channels.</summary>
        /// <param name="directory">Where to look; null for the environment variable <c>SIMPLE_IPC_DIR</c>, or <c>/tmp</c>.</param>
        /// <exception cref="IpcException"><see cref="IpcStatus.NoDirectory"/>, <see cref="IpcStatus.PermissionDenied"/>.</exception>
        public static unsafe IReadOnlyList<IpcChannel> Channels(string? directory = null)
        {
            Library.Ensure();
            byte[]? path = directory is null ? null : Text.ToNative(directory, nameof(directory), IpcStatus.InvalidArgument);
            fixed (byte* text = path)
            {
                int status = NativeMethods.sipc_channels(text, out IntPtr found, out IntPtr error);
                Failure.Check(status, error);
                using var list = new ChannelListHandle(found);
                using var borrowed = list.Borrow();
                ulong count = (ulong)NativeMethods.sipc_channel_list_len(borrowed.Pointer);
                var channels = new List<IpcChannel>();
                for (ulong index = 0; index < count; index++)
                {
                    channels.Add(new IpcChannel(NativeMethods.sipc_channel_list_get(borrowed.Pointer, (UIntPtr)index)));
                }
                return channels;
            }
        }
    }
}
