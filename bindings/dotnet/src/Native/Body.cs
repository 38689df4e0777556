using System;
using System.Text.Json;
using SimpleIpc.Values;

namespace SimpleIpc.Native
{
    /// <summary>A value that has become a body.</summary>
    internal readonly struct Outgoing
    {
        private readonly int kind;

        internal Outgoing(int kind, ReadOnlyMemory<byte> data)
        {
            this.kind = kind;
            Data = data;
        }

        internal ReadOnlyMemory<byte> Data { get; }

        internal bool IsJson => kind == NativeMethods.KindJson;

        /// <summary>JSON with bytes: a <c>sipc_attached</c>, and behind it what that points at.</summary>
        internal static unsafe Outgoing Attached(ReadOnlySpan<byte> json, ReadOnlySpan<byte> data)
        {
            byte[] memory = new byte[checked(NativeAttached.Size + json.Length + data.Length)];
            json.CopyTo(memory.AsSpan(NativeAttached.Size));
            data.CopyTo(memory.AsSpan(NativeAttached.Size + json.Length));
            fixed (byte* start = memory)
            {
                *(NativeAttached*)start = new NativeAttached { JsonLength = (UIntPtr)(uint)json.Length, DataLength = (UIntPtr)(uint)data.Length };
            }
            return new Outgoing(NativeMethods.KindAttached, memory);
        }

        /// <summary>
        /// For one call, during which <paramref name="data"/> does not move. It is null where there are no bytes, but to C
        /// that would be no body: any other address does, as nothing is read there.
        /// </summary>
        internal unsafe NativeBody Native(byte* data)
        {
            if (kind == NativeMethods.KindAttached)
            {
                // Where the parts lie is known only now that they do not move.
                var parts = (NativeAttached*)data;
                parts->Json = (IntPtr)(data + NativeAttached.Size);
                parts->Data = (IntPtr)(data + NativeAttached.Size + (uint)parts->JsonLength);
                return new NativeBody { Kind = kind, Data = (IntPtr)data, Length = (UIntPtr)(uint)NativeAttached.Size };
            }
            return new NativeBody { Kind = kind, Data = data == null ? (IntPtr)1 : (IntPtr)data, Length = (UIntPtr)(uint)Data.Length };
        }
    }

    /// <summary>
    /// Values become bodies and bodies values: <c>byte[]</c>, <c>Memory&lt;byte&gt;</c>, <c>ReadOnlyMemory&lt;byte&gt;</c>
    /// and <c>ArraySegment&lt;byte&gt;</c> are bytes, an <see cref="Attached{T}"/> is JSON with bytes, an <see cref="IpcMessage"/> is what
    /// it is, the rest is JSON.
    /// </summary>
    internal static class Body
    {
        internal static Outgoing From<T>(T value, JsonSerializerOptions? json, string what = JsonPlace.Data)
        {
            switch (value)
            {
                case byte[] bytes: return new Outgoing(NativeMethods.KindBytes, bytes);
                case ReadOnlyMemory<byte> bytes: return new Outgoing(NativeMethods.KindBytes, bytes);
                case Memory<byte> bytes: return new Outgoing(NativeMethods.KindBytes, bytes);
                case ArraySegment<byte> bytes: return new Outgoing(NativeMethods.KindBytes, bytes);
                case IAttached attached: return attached.Write(json, what);
                case IpcMessage message when message.IsAttached: return Outgoing.Attached(message.Json.Span, message.Data.Span);
                case IpcMessage message:
                    return new Outgoing(message.IsJson ? NativeMethods.KindJson : NativeMethods.KindBytes, message.Data);
            }
            try
            {
                return new Outgoing(NativeMethods.KindJson, JsonText.Write(value, json, what));
            }
            catch (JsonMistake mistake)
            {
                throw new IpcException(
                    IpcStatus.InvalidJson,
                    $"cannot make JSON of the {JsonKinds.Named(typeof(T))} that is to be sent: {mistake.Message}",
                    mistake.InnerException);
            }
        }

        /// <summary>Reads a reply, and frees it.</summary>
        internal static T Take<T>(IntPtr reply, JsonSerializerOptions? json)
        {
            try
            {
                return To<T>(reply, json);
            }
            finally
            {
                NativeMethods.sipc_message_free(reply);
            }
        }

        /// <param name="message">A message that stays alive during the call.</param>
        /// <param name="json">How JSON is read.</param>
        internal static unsafe T To<T>(IntPtr message, JsonSerializerOptions? json)
        {
            int kind = NativeMethods.sipc_message_kind(message);
            ulong length = (ulong)NativeMethods.sipc_message_len(message);
            if (length > int.MaxValue)
            {
                throw new IpcException(IpcStatus.TooLarge, $"a body of {length} bytes does not fit .NET's arrays; lower MaxMessage in the options");
            }
            var data = new ReadOnlySpan<byte>(NativeMethods.sipc_message_data(message), (int)length);
            if (typeof(T) == typeof(IpcMessage))
            {
                return (T)(object)IpcMessage.Received(kind, kind == NativeMethods.KindAttached ? JsonOf(message) : default, data);
            }
            if (kind == NativeMethods.KindAttached)
            {
                // `object` takes whatever comes.
                IAttached? reader = typeof(T) == typeof(object) ? default(Attached<object?>) : default(T)! as IAttached;
                return reader != null
                    ? (T)reader.Read(JsonOf(message), data, json)
                    : throw Unfit<T>("data: it is JSON with bytes; use Attached<T> or IpcMessage", null);
            }
            if (default(T)! is IAttached)
            {
                string what = kind == NativeMethods.KindBytes ? "bytes without JSON" : "JSON without bytes";
                throw Unfit<T>($"data: it is {what}; use the type that was sent, or IpcMessage", null);
            }
            if (kind == NativeMethods.KindBytes)
            {
                // `object` takes whatever comes.
                if (typeof(T) == typeof(byte[]) || typeof(T) == typeof(object)) return (T)(object)data.ToArray();
                if (typeof(T) == typeof(ReadOnlyMemory<byte>)) return (T)(object)new ReadOnlyMemory<byte>(data.ToArray());
                if (typeof(T) == typeof(Memory<byte>)) return (T)(object)new Memory<byte>(data.ToArray());
                if (typeof(T) == typeof(ArraySegment<byte>)) return (T)(object)new ArraySegment<byte>(data.ToArray());
                throw Unfit<T>("data: it is bytes; use byte[] or IpcMessage", null);
            }
            if (IsBytes<T>() && !(typeof(T) == typeof(byte[]) && IsNull(data)))
            {
                throw Unfit<T>("data: it is JSON; use the type that was sent, or IpcMessage", null);
            }
            return OfJson<T>(data, json);
        }

        /// <summary>The JSON text of a message, where it lies.</summary>
        private static unsafe ReadOnlySpan<byte> JsonOf(IntPtr message)
        {
            byte* json = NativeMethods.sipc_message_json_n(message, out UIntPtr length);
            return new ReadOnlySpan<byte>(json, checked((int)(ulong)length));
        }

        /// <summary>Reads a value that is part of a body.</summary>
        internal static T OfJson<T>(ReadOnlySpan<byte> json, JsonSerializerOptions? options)
        {
            if (typeof(T) == typeof(IpcMessage))
            {
                return (T)(object)IpcMessage.Received(NativeMethods.KindJson, default, json);
            }
            try
            {
                return JsonText.Read<T>(json, options);
            }
            catch (JsonMistake mistake)
            {
                throw Unfit<T>(mistake.Message, mistake.InnerException);
            }
        }

        /// <summary>The same from text.</summary>
        internal static T OfJson<T>(string json, JsonSerializerOptions? options) =>
            OfJson<T>(System.Text.Encoding.UTF8.GetBytes(json), options);

        private static bool IsBytes<T>() =>
            typeof(T) == typeof(byte[]) || typeof(T) == typeof(ReadOnlyMemory<byte>) || typeof(T) == typeof(Memory<byte>)
            || typeof(T) == typeof(ArraySegment<byte>);

        private static bool IsNull(ReadOnlySpan<byte> json) =>
            json.Length == 4 && json[0] == 'n' && json[1] == 'u' && json[2] == 'l' && json[3] == 'l';

        // The message was handled or sent by somebody else: it has been on its way.
        private static IpcException Unfit<T>(string why, Exception? cause) =>
            new IpcException(IpcStatus.InvalidBody, $"cannot read the body as {JsonKinds.Named(typeof(T))}: {why}", true, 0, cause);
    }
}
