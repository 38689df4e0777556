using System;
using System.Runtime.InteropServices;

namespace SimpleIpc.Native
{
    /// <summary><c>sipc_body</c>: what is to be sent, in memory of ours that is held still meanwhile.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeBody
    {
        internal int Kind;
        internal IntPtr Data;
        internal UIntPtr Length;
    }

    /// <summary><c>sipc_attached</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeAttached
    {
        internal IntPtr Json;
        internal UIntPtr JsonLength;
        internal IntPtr Data;
        internal UIntPtr DataLength;

        /// <summary>How many bytes it has.</summary>
        internal static int Size => 4 * IntPtr.Size;
    }

    /// <summary><c>sipc_counters</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeCounters
    {
        internal UIntPtr Size;
        internal ulong Connections;
        internal ulong Open;
        internal ulong Messages;
        internal ulong Failed;
        internal ulong Malformed;
        internal ulong Refused;
        internal ulong Incomplete;
        internal ulong InFlight;
        internal ulong Abandoned;
        internal ulong Subscribers;
        internal ulong Published;
        internal ulong Dropped;
        internal ulong TooSlow;
        internal ulong Streams;
    }

    /// <summary><c>sipc_handler_report</c>; what is behind these fields is not asked for.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeHandlerReport
    {
        internal IntPtr Channel;
        internal int Mode;
        internal int Status;
        internal IntPtr Message;
    }

    /// <summary><c>sipc_channel_info</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeChannelInfo
    {
        internal IntPtr Channel;
        internal IntPtr Address;
        internal int Mode;
        internal long Pid;
        internal long StartedMilliseconds;
        internal IntPtr Version;
        internal byte Publishes;
        internal long Subscribers;
    }

    /// <summary>
    /// The functions of <c>simple_ipc.h</c> under their own names. Every parameter is blittable: pointers and numbers,
    /// and <c>bool</c> as the byte that it is in C, so nothing is marshalled and nothing needs code at run time.
    /// </summary>
    internal static unsafe class NativeMethods
    {
        internal const string LibraryName = "simpleipc";

        internal const int KindJson = 1;
        internal const int KindBytes = 2;
        internal const int KindAttached = 4;
        internal const int ModeRequest = 1;
        internal const int ModeBroadcast = 2;
        internal const long NoTimeout = -1;

        [DllImport(LibraryName)] internal static extern uint sipc_abi_version();
        [DllImport(LibraryName)] internal static extern byte* sipc_version();

        [DllImport(LibraryName)] internal static extern byte* sipc_status_name(int status);
        [DllImport(LibraryName)] internal static extern byte* sipc_error_message(IntPtr error);
        [DllImport(LibraryName)] internal static extern int sipc_error_os_code(IntPtr error);
        [DllImport(LibraryName)] internal static extern byte sipc_error_may_have_been_handled(IntPtr error);
        [DllImport(LibraryName)] internal static extern byte* sipc_error_handler_code(IntPtr error);
        [DllImport(LibraryName)] internal static extern byte* sipc_error_handler_data(IntPtr error);
        [DllImport(LibraryName)] internal static extern void sipc_error_free(IntPtr error);

        [DllImport(LibraryName)] internal static extern int sipc_message_kind(IntPtr message);
        [DllImport(LibraryName)] internal static extern byte* sipc_message_data(IntPtr message);
        [DllImport(LibraryName)] internal static extern UIntPtr sipc_message_len(IntPtr message);
        [DllImport(LibraryName)] internal static extern byte* sipc_message_json_n(IntPtr message, out UIntPtr length);
        [DllImport(LibraryName)] internal static extern byte* sipc_message_topic(IntPtr message);
        [DllImport(LibraryName)] internal static extern long sipc_message_missed(IntPtr message);
        [DllImport(LibraryName)] internal static extern byte sipc_message_retained(IntPtr message);
        [DllImport(LibraryName)] internal static extern void sipc_message_free(IntPtr message);

        [DllImport(LibraryName)] internal static extern IntPtr sipc_options_new();
        [DllImport(LibraryName)] internal static extern void sipc_options_free(IntPtr options);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_timeout_ms(IntPtr options, long milliseconds);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_idle_timeout_ms(IntPtr options, long milliseconds);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_wire(IntPtr options, int wire);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_directory(IntPtr options, byte* directory);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_path(IntPtr options, byte* path);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_path_style(IntPtr options, int pathStyle);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_socket_mode(IntPtr options, uint mode);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_max_message(IntPtr options, UIntPtr bytes);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_max_connections(IntPtr options, UIntPtr connections);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_max_session_in_flight(IntPtr options, UIntPtr messages);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_max_in_flight(IntPtr options, UIntPtr messages);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_max_session_waiting(IntPtr options, UIntPtr bytes);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_max_waiting(IntPtr options, UIntPtr bytes);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_shared_memory(IntPtr options, UIntPtr bytes);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_hello_timeout_ms(IntPtr options, long milliseconds);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_stall_timeout_ms(IntPtr options, long milliseconds);
        [DllImport(LibraryName)] internal static extern int sipc_options_allow_user(IntPtr options, uint uid);
        [DllImport(LibraryName)] internal static extern int sipc_options_allow_anyone(IntPtr options);
        [DllImport(LibraryName)]
        internal static extern int sipc_options_on_handler_failure(IntPtr options, IntPtr callback, IntPtr userData, IntPtr drop);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_grace_ms(IntPtr options, long milliseconds);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_wait_ms(IntPtr options, long milliseconds);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_plain_text(IntPtr options, byte accept);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_tap(IntPtr options, byte allow);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_threads(IntPtr options, UIntPtr threads);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_spin_us(IntPtr options, long microseconds);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_check_interval_ms(IntPtr options, long milliseconds);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_publish(IntPtr options, byte take);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_retain(IntPtr options, byte keep);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_patience_ms(IntPtr options, long milliseconds);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_topics(IntPtr options, byte** topics, UIntPtr count);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_overflow(IntPtr options, int overflow);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_queue(IntPtr options, UIntPtr bytes);
        [DllImport(LibraryName)] internal static extern int sipc_options_set_reconnect_ms(IntPtr options, long milliseconds);

        [DllImport(LibraryName)]
        internal static extern int sipc_listen_uds_request(
            byte* channel, IntPtr handler, IntPtr userData, IntPtr drop, IntPtr options, out IntPtr listener, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_listen_uds_broadcast(
            byte* channel, IntPtr handler, IntPtr userData, IntPtr drop, IntPtr options, out IntPtr listener, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_listen_ip_request(
            uint port, IntPtr handler, IntPtr userData, IntPtr drop, IntPtr options, out IntPtr listener, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_listen_ip_broadcast(
            uint port, IntPtr handler, IntPtr userData, IntPtr drop, IntPtr options, out IntPtr listener, out IntPtr error);

        [DllImport(LibraryName)]
        internal static extern int sipc_post_uds_request(
            byte* channel, NativeBody body, IntPtr options, out IntPtr reply, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_post_uds_broadcast(byte* channel, NativeBody body, IntPtr options, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_post_ip_request(
            uint port, NativeBody body, IntPtr options, out IntPtr reply, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_post_ip_broadcast(uint port, NativeBody body, IntPtr options, out IntPtr error);

        [DllImport(LibraryName)]
        internal static extern int sipc_post_uds_request_async(
            byte* channel, NativeBody body, IntPtr options, IntPtr callback, IntPtr userData, IntPtr drop,
            out IntPtr operation, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_post_uds_broadcast_async(
            byte* channel, NativeBody body, IntPtr options, IntPtr callback, IntPtr userData, IntPtr drop,
            out IntPtr operation, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_post_ip_request_async(
            uint port, NativeBody body, IntPtr options, IntPtr callback, IntPtr userData, IntPtr drop,
            out IntPtr operation, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_post_ip_broadcast_async(
            uint port, NativeBody body, IntPtr options, IntPtr callback, IntPtr userData, IntPtr drop,
            out IntPtr operation, out IntPtr error);

        [DllImport(LibraryName)]
        internal static extern int sipc_listen_uds_publish(byte* channel, IntPtr options, out IntPtr listener, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_listen_ip_publish(uint port, IntPtr options, out IntPtr listener, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_publish(
            IntPtr listener, byte* topic, NativeBody body, out UIntPtr queued, out IntPtr error);

        [DllImport(LibraryName)]
        internal static extern int sipc_subscribe_uds(byte* channel, IntPtr options, out IntPtr stream, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_subscribe_ip(uint port, IntPtr options, out IntPtr stream, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_stream_next(IntPtr stream, long milliseconds, out IntPtr message, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_stream_next_async(
            IntPtr stream, long milliseconds, IntPtr callback, IntPtr userData, IntPtr drop, out IntPtr operation, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_post_uds_stream(
            byte* channel, NativeBody body, IntPtr options, out IntPtr stream, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_post_ip_stream(
            uint port, NativeBody body, IntPtr options, out IntPtr stream, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_begin_uds_stream(
            byte* channel, NativeBody body, IntPtr options, out IntPtr stream, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_begin_ip_stream(
            uint port, NativeBody body, IntPtr options, out IntPtr stream, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_client_stream(
            IntPtr client, NativeBody body, IntPtr options, out IntPtr stream, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_client_begin_stream(
            IntPtr client, NativeBody body, IntPtr options, out IntPtr stream, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_stream_send(IntPtr stream, NativeBody body, long milliseconds, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_stream_send_async(
            IntPtr stream, NativeBody body, long milliseconds, IntPtr callback, IntPtr userData, IntPtr drop,
            out IntPtr operation, out IntPtr error);
        [DllImport(LibraryName)] internal static extern int sipc_stream_end(IntPtr stream, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_stream_fail_with(IntPtr stream, byte* message, byte* code, byte* data, IntPtr error);
        [DllImport(LibraryName)] internal static extern byte sipc_stream_is_over(IntPtr stream);
        [DllImport(LibraryName)] internal static extern void sipc_stream_close(IntPtr stream);
        [DllImport(LibraryName)] internal static extern void sipc_stream_free(IntPtr stream);

        [DllImport(LibraryName)] internal static extern byte* sipc_listener_channel(IntPtr listener);
        [DllImport(LibraryName)] internal static extern byte* sipc_listener_address(IntPtr listener);
        [DllImport(LibraryName)] internal static extern byte* sipc_listener_path(IntPtr listener);
        [DllImport(LibraryName)] internal static extern uint sipc_listener_port(IntPtr listener);
        [DllImport(LibraryName)]
        internal static extern int sipc_listener_counters(IntPtr listener, NativeCounters* counters, out IntPtr error);
        [DllImport(LibraryName)] internal static extern int sipc_listener_close(IntPtr listener, out IntPtr error);
        [DllImport(LibraryName)] internal static extern void sipc_listener_free(IntPtr listener);

        [DllImport(LibraryName)] internal static extern int sipc_respond(IntPtr responder, NativeBody body, out IntPtr error);
        // The errors that these two could store are left out: the status says that the caller cannot be told.
        [DllImport(LibraryName)]
        internal static extern int sipc_respond_failure(IntPtr responder, byte* message, byte* code, byte* data, IntPtr error);
        [DllImport(LibraryName)] internal static extern int sipc_reject(IntPtr responder, byte* text, IntPtr error);
        [DllImport(LibraryName)] internal static extern byte sipc_responder_is_stream(IntPtr responder);
        [DllImport(LibraryName)]
        internal static extern int sipc_responder_items(IntPtr responder, out IntPtr stream, out IntPtr error);
        // The error that this could store is left out: the caller has been told, or has gone.
        [DllImport(LibraryName)]
        internal static extern int sipc_responder_stream(IntPtr responder, out IntPtr stream, IntPtr error);
        [DllImport(LibraryName)] internal static extern byte sipc_responder_is_cancelled(IntPtr responder);
        [DllImport(LibraryName)]
        internal static extern int sipc_responder_on_cancel(
            IntPtr responder, IntPtr callback, IntPtr userData, IntPtr drop, out IntPtr error);
        [DllImport(LibraryName)] internal static extern long sipc_responder_time_left_ms(IntPtr responder);
        [DllImport(LibraryName)] internal static extern long sipc_responder_peer_uid(IntPtr responder);
        [DllImport(LibraryName)] internal static extern long sipc_responder_peer_gid(IntPtr responder);
        [DllImport(LibraryName)] internal static extern long sipc_responder_peer_pid(IntPtr responder);
        [DllImport(LibraryName)] internal static extern void sipc_responder_free(IntPtr responder);

        [DllImport(LibraryName)]
        internal static extern int sipc_client_connect_uds(byte* channel, IntPtr options, out IntPtr client, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_client_connect_ip(uint port, IntPtr options, out IntPtr client, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_client_connect_path(byte* path, IntPtr options, out IntPtr client, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_client_request(
            IntPtr client, NativeBody body, IntPtr options, out IntPtr reply, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_client_broadcast(IntPtr client, NativeBody body, out IntPtr error);
        [DllImport(LibraryName)] internal static extern int sipc_client_flush(IntPtr client, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_client_flush_within(IntPtr client, long milliseconds, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_client_ping(IntPtr client, out ulong nanoseconds, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_client_ping_within(
            IntPtr client, long milliseconds, out ulong nanoseconds, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_client_request_async(
            IntPtr client, NativeBody body, IntPtr options, IntPtr callback, IntPtr userData, IntPtr drop,
            out IntPtr operation, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_client_request_async(
            IntPtr client, NativeBody body, IntPtr options, IntPtr callback, IntPtr userData, IntPtr drop,
            IntPtr noOperation, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_client_broadcast_async(
            IntPtr client, NativeBody body, IntPtr callback, IntPtr userData, IntPtr drop,
            out IntPtr operation, out IntPtr error);
        [DllImport(LibraryName)] internal static extern int sipc_client_close(IntPtr client, out IntPtr error);
        [DllImport(LibraryName)]
        internal static extern int sipc_client_close_within(IntPtr client, long milliseconds, out IntPtr error);
        [DllImport(LibraryName)] internal static extern void sipc_client_free(IntPtr client);

        [DllImport(LibraryName)] internal static extern void sipc_operation_cancel(IntPtr operation);
        [DllImport(LibraryName)] internal static extern void sipc_operation_free(IntPtr operation);

        [DllImport(LibraryName)]
        internal static extern int sipc_channels(byte* directory, out IntPtr list, out IntPtr error);
        [DllImport(LibraryName)] internal static extern UIntPtr sipc_channel_list_len(IntPtr list);
        [DllImport(LibraryName)] internal static extern NativeChannelInfo* sipc_channel_list_get(IntPtr list, UIntPtr index);
        [DllImport(LibraryName)] internal static extern void sipc_channel_list_free(IntPtr list);
    }
}
