using System;
using System.Text.Json;
using SimpleIpc.Native;

namespace SimpleIpc
{
    /// <summary>
    /// A JSON value with bytes beside it, in one body: an array with its shape, a picture with its name. As the type of a body it is
    /// sent and taken wherever another one is; inside JSON it is refused, as bytes are.
    /// </summary>
    /// <remarks>
    /// Listeners of version 0.1.0 and the Deno wire take none: a call fails with <see cref="IpcStatus.UnsupportedVersion"/> before
    /// anything is sent. The largest message counts both, with up to 11 bytes between them.
    /// </remarks>
    /// <typeparam name="T">The type of the value.</typeparam>
    public readonly struct Attached<T> : IAttached
    {
        /// <summary>A value with bytes beside it.</summary>
        /// <param name="value">What becomes JSON.</param>
        /// <param name="data">The bytes. They are not copied before they are sent.</param>
        public Attached(T value, ReadOnlyMemory<byte> data)
        {
            Value = value;
            Data = data;
        }

        /// <summary>What becomes JSON.</summary>
        public T Value { get; }

        /// <summary>The bytes. Of what has arrived they are in memory of their own.</summary>
        public ReadOnlyMemory<byte> Data { get; }

        /// <summary>Takes the two apart.</summary>
        /// <param name="value">The value.</param>
        /// <param name="data">The bytes.</param>
        public void Deconstruct(out T value, out ReadOnlyMemory<byte> data)
        {
            value = Value;
            data = Data;
        }

        Outgoing IAttached.Write(JsonSerializerOptions? json, string what)
        {
            Outgoing value = Body.From(Value, json, what + ".value");
            if (!value.IsJson)
            {
                throw new IpcException(IpcStatus.InvalidJson, $"{what}.value: the value beside bytes is no JSON; put the bytes into Data");
            }
            return Outgoing.Attached(value.Data.Span, Data.Span);
        }

        object IAttached.Read(ReadOnlySpan<byte> value, ReadOnlySpan<byte> data, JsonSerializerOptions? json) =>
            new Attached<T>(Body.OfJson<T>(value, json), data.ToArray());
    }

    /// <summary>An <see cref="Attached{T}"/> of any type. The default of each can make one of what arrives.</summary>
    internal interface IAttached
    {
        /// <summary>The body that it is; <paramref name="what"/> is what mistakes call it.</summary>
        Outgoing Write(JsonSerializerOptions? json, string what);

        /// <summary>One of the same type, of what has arrived.</summary>
        object Read(ReadOnlySpan<byte> value, ReadOnlySpan<byte> data, JsonSerializerOptions? json);
    }
}
