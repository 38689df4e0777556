using System;
using System.Text.Json;
using System.Text.Json.Serialization;
#if NET8_0_OR_GREATER
using System.Diagnostics.CodeAnalysis;
#endif

namespace SimpleIpc.Values
{
    /// <summary>Refuses, at any depth, the types that would lose something. Each type is looked at once.</summary>
    internal sealed class RefusedKinds : JsonConverterFactory
    {
        private readonly bool reads;

        /// <param name="reads">Whether only JSON is read: then more is refused.</param>
        internal RefusedKinds(bool reads) => this.reads = reads;

        public override bool CanConvert(Type typeToConvert) => Refusal(typeToConvert) != null;

#if NET8_0_OR_GREATER
        [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Only where the program has kept reflection.")]
        [UnconditionalSuppressMessage("Trimming", "IL2055", Justification = "Only where the program has kept reflection.")]
        [UnconditionalSuppressMessage("Trimming", "IL2072", Justification = "Only where the program has kept reflection.")]
        [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Only where the program has kept reflection.")]
#endif
        public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) =>
            (JsonConverter)Activator.CreateInstance(
                typeof(Refused<>).MakeGenericType(typeToConvert), Refusal(typeToConvert))!;

        private string? Refusal(Type type) => JsonKinds.Refusal(type) ?? (reads ? JsonKinds.ReadingRefusal(type) : null);
    }

    /// <summary>Refuses one type.</summary>
    internal sealed class Refused<T> : JsonConverter<T>
    {
        private readonly string why;

        public Refused(string why) => this.why = why;

        public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            throw new JsonException(why);

        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => throw new JsonException(why);
    }
}
