using System;
using System.Text.Encodings.Web;
using System.Text.Json;
#if NET8_0_OR_GREATER
using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization.Metadata;
#endif

namespace SimpleIpc.Native
{
    /// <summary>System.Text.Json, in the way that suits the framework.</summary>
    internal static class Json
    {
        // A body is never part of a web page, so that only what JSON itself asks for is escaped.
        private static readonly JsonSerializerOptions Default =
            new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

#if NET8_0_OR_GREATER
        internal static byte[] Write<T>(T value, JsonSerializerOptions? options) =>
            JsonSerializer.SerializeToUtf8Bytes(value, TypeInfo<T>(options));

        internal static T Read<T>(ReadOnlySpan<byte> json, JsonSerializerOptions? options) =>
            JsonSerializer.Deserialize(json, TypeInfo<T>(options))!;

        /// <summary>
        /// From the options' own resolver, such as a generated JsonSerializerContext; without one by reflection, where the
        /// program has kept it.
        /// </summary>
        [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Only where the program has kept reflection.")]
        [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Only where the program has kept reflection.")]
        private static JsonTypeInfo<T> TypeInfo<T>(JsonSerializerOptions? options)
        {
            options ??= Default;
            if (!options.IsReadOnly && JsonSerializer.IsReflectionEnabledByDefault)
            {
                options.MakeReadOnly(populateMissingResolver: true);
            }
            return (JsonTypeInfo<T>)options.GetTypeInfo(typeof(T));
        }
#else
        internal static byte[] Write<T>(T value, JsonSerializerOptions? options) =>
            JsonSerializer.SerializeToUtf8Bytes(value, options ?? Default);

        internal static T Read<T>(ReadOnlySpan<byte> json, JsonSerializerOptions? options) =>
            JsonSerializer.Deserialize<T>(json, options ?? Default);
#endif
    }
}
