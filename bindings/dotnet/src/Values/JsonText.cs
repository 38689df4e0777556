using System;
using System.Text.Json;
#if NET8_0_OR_GREATER
using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization.Metadata;
#endif

namespace SimpleIpc.Values
{
    /// <summary>System.Text.Json, in the way that suits the framework.</summary>
    internal static class JsonText
    {
        /// <summary>The JSON of a value. What stands in the way is a <see cref="JsonMistake"/>.</summary>
        /// <param name="value">The value.</param>
        /// <param name="options">The program's own options; null for the library's.</param>
        /// <param name="what">What the value is called in a mistake's place.</param>
        internal static byte[] Write<T>(T value, JsonSerializerOptions? options, string what)
        {
            if (options != null)
            {
                return Write(value, null, options, what);
            }
            byte[] json = Write(value, DeclaresTooLittle(value) ? value!.GetType() : null, JsonDefaults.Writing, what);
            int replaced = HalfOfAPair(json);
            return replaced < 0 ? json : throw JsonMistake.HalfOfAPair(json.AsSpan(0, replaced), what);
        }

        /// <summary>The value that a JSON text stands for. What stands in the way is a <see cref="JsonMistake"/>.</summary>
        internal static T Read<T>(ReadOnlySpan<byte> json, JsonSerializerOptions? options)
        {
            try
            {
                return Deserialize<T>(json, options ?? JsonDefaults.Reading);
            }
            catch (Exception exception) when (!(exception is OutOfMemoryException))
            {
                throw JsonMistake.WhileReading(exception);
            }
        }

        /// <summary>
        /// Where the encoder met half of a surrogate pair, or -1: it writes the escape of the replacement character, which
        /// itself it writes as it is.
        /// </summary>
        private static int HalfOfAPair(ReadOnlySpan<byte> json)
        {
            ReadOnlySpan<byte> escape = new[] { (byte)'\\', (byte)'u', (byte)'F', (byte)'F', (byte)'F', (byte)'D' };
            for (int from = 0; ;)
            {
                int found = json.Slice(from).IndexOf(escape);
                if (found < 0)
                {
                    return -1;
                }
                int at = from + found, before = at;
                while (before > 0 && json[before - 1] == (byte)'\\')
                {
                    before--;
                }
                // After a backslash that is escaped itself it is a text about escapes.
                if ((at - before) % 2 == 0)
                {
                    return at;
                }
                from = at + escape.Length;
            }
        }

        /// <summary>Whether the members of the declared type are not all that the value has.</summary>
        private static bool DeclaresTooLittle<T>(T value) =>
            Declared<T>.MayBeLess && value != null && value.GetType() != typeof(T);

        private static class Declared<T>
        {
            internal static readonly bool MayBeLess =
                !typeof(T).IsValueType && !typeof(T).IsSealed && typeof(T) != typeof(object) && !JsonKinds.HasRulesOfItsOwn(typeof(T));
        }

        private static byte[] Write<T>(T value, Type? type, JsonSerializerOptions options, string what)
        {
            try
            {
                return type is null ? Serialize(value, options) : SerializeAs(value!, type, options);
            }
            catch (Exception exception) when (!(exception is OutOfMemoryException))
            {
                throw JsonMistake.WhileWriting(exception, Begun(value, type, options), what);
            }
        }

        /// <summary>What can be written until the mistake comes, which shows where it is.</summary>
        private static ReadOnlySpan<byte> Begun<T>(T value, Type? type, JsonSerializerOptions options)
        {
            var buffer = new System.Buffers.ArrayBufferWriter<byte>();
            using var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = options.Encoder, SkipValidation = true });
            try
            {
                if (type is null)
                {
                    SerializeTo(writer, value, options);
                }
                else
                {
                    SerializeToAs(writer, value!, type, options);
                }
                // A getter that failed once only: its place is not known.
                return default;
            }
            catch (Exception)
            {
                writer.Flush();
                return buffer.WrittenSpan;
            }
        }

#if NET8_0_OR_GREATER
        private static byte[] Serialize<T>(T value, JsonSerializerOptions options) =>
            JsonSerializer.SerializeToUtf8Bytes(value, TypeInfo<T>(options));

        private static void SerializeTo<T>(Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value, TypeInfo<T>(options));

        private static T Deserialize<T>(ReadOnlySpan<byte> json, JsonSerializerOptions options) =>
            JsonSerializer.Deserialize(json, TypeInfo<T>(options))!;

        private static byte[] SerializeAs(object value, Type type, JsonSerializerOptions options) =>
            JsonSerializer.SerializeToUtf8Bytes(value, Prepared(options).GetTypeInfo(type));

        private static void SerializeToAs(Utf8JsonWriter writer, object value, Type type, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value, Prepared(options).GetTypeInfo(type));

        private static JsonTypeInfo<T> TypeInfo<T>(JsonSerializerOptions options) =>
            (JsonTypeInfo<T>)Prepared(options).GetTypeInfo(typeof(T));

        /// <summary>
        /// From the options' own resolver, such as a generated JsonSerializerContext; without one by reflection, where the
        /// program has kept it.
        /// </summary>
        [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Only where the program has kept reflection.")]
        [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Only where the program has kept reflection.")]
        private static JsonSerializerOptions Prepared(JsonSerializerOptions options)
        {
            if (!options.IsReadOnly && JsonSerializer.IsReflectionEnabledByDefault)
            {
                options.MakeReadOnly(populateMissingResolver: true);
            }
            return options;
        }
#else
        private static byte[] Serialize<T>(T value, JsonSerializerOptions options) =>
            JsonSerializer.SerializeToUtf8Bytes(value, options);

        private static void SerializeTo<T>(Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value, options);

        private static T Deserialize<T>(ReadOnlySpan<byte> json, JsonSerializerOptions options) =>
            JsonSerializer.Deserialize<T>(json, options);

        private static byte[] SerializeAs(object value, Type type, JsonSerializerOptions options) =>
            JsonSerializer.SerializeToUtf8Bytes(value, type, options);

        private static void SerializeToAs(Utf8JsonWriter writer, object value, Type type, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value, type, options);
#endif
    }
}
