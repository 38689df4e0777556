using System;
using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
#if NET8_0_OR_GREATER
using System.Diagnostics.CodeAnalysis;
#endif

namespace SimpleIpc.Values
{
    /// <summary>Enums are their members' names; read without regard to case, and numbers too.</summary>
    internal sealed class EnumNames : JsonConverterFactory
    {
        public override bool CanConvert(Type typeToConvert) => typeToConvert.IsEnum && !JsonKinds.HasRulesOfItsOwn(typeToConvert);

#if NET8_0_OR_GREATER
        [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Only where the program has kept reflection.")]
#endif
        public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) =>
            new JsonStringEnumConverter().CreateConverter(typeToConvert, options)!;
    }

    /// <summary>As newer frameworks have it, such as <c>1.02:03:04.5</c>; the oldest makes an object of it that it cannot read.</summary>
    internal sealed class DurationText : JsonConverter<TimeSpan>
    {
        public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.TokenType == JsonTokenType.String
            && TimeSpan.TryParseExact(reader.GetString(), "c", CultureInfo.InvariantCulture, out TimeSpan time)
                ? time
                : throw new JsonException("the JSON value is no duration such as \"1.02:03:04.5\"");

        public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.ToString("c", CultureInfo.InvariantCulture));
    }

    /// <summary>Integers of any size are numbers with all their digits; System.Text.Json knows only of smaller ones.</summary>
    internal sealed class WholeNumber : JsonConverter<BigInteger>
    {
        public override BigInteger Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (reader.TokenType == JsonTokenType.Number)
            {
                string digits = Encoding.UTF8.GetString(reader.HasValueSequence ? System.Buffers.BuffersExtensions.ToArray(reader.ValueSequence) : reader.ValueSpan.ToArray());
                if (BigInteger.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out BigInteger number))
                {
                    return number;
                }
            }
            throw new JsonException("the JSON value is no whole number");
        }

        public override void Write(Utf8JsonWriter writer, BigInteger value, JsonSerializerOptions options)
        {
            using JsonDocument number = JsonDocument.Parse(value.ToString(CultureInfo.InvariantCulture));
            number.RootElement.WriteTo(writer);
        }
    }

    /// <summary>Numbers that are larger than any double are refused, and do not become infinity.</summary>
    internal sealed class FiniteDouble : JsonConverter<double>
    {
        internal const string Why = "the JSON number is larger than the type can hold";

        public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            double number = reader.GetDouble();
            return double.IsInfinity(number) ? throw new JsonException(Why) : number;
        }

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options) => writer.WriteNumberValue(value);
    }

    /// <summary>The same for the smaller type.</summary>
    internal sealed class FiniteSingle : JsonConverter<float>
    {
        public override float Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            float number = reader.GetSingle();
            return float.IsInfinity(number) ? throw new JsonException(FiniteDouble.Why) : number;
        }

        public override void Write(Utf8JsonWriter writer, float value, JsonSerializerOptions options) => writer.WriteNumberValue(value);
    }

    /// <summary>What is declared as an interface or an abstract class is written as what it is: else its own members got lost.</summary>
    internal sealed class RuntimeType : JsonConverterFactory
    {
        public override bool CanConvert(Type typeToConvert) => JsonKinds.IsOnlyDeclared(typeToConvert);

#if NET8_0_OR_GREATER
        [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Only where the program has kept reflection.")]
        [UnconditionalSuppressMessage("Trimming", "IL2055", Justification = "Only where the program has kept reflection.")]
        [UnconditionalSuppressMessage("Trimming", "IL2072", Justification = "Only where the program has kept reflection.")]
        [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Only where the program has kept reflection.")]
#endif
        public override JsonConverter CreateConverter(Type typeToConvert, JsonSerializerOptions options) =>
            (JsonConverter)Activator.CreateInstance(typeof(AsRuntimeType<>).MakeGenericType(typeToConvert))!;
    }

    /// <summary>Writes a value by its own type.</summary>
    internal sealed class AsRuntimeType<T> : JsonConverter<T>
    {
        public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            throw new JsonException($"{JsonKinds.Named(typeof(T))} can be no value itself; read a class, or a JsonElement");

#if NET8_0_OR_GREATER
        [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "Only where the program has kept reflection.")]
        [UnconditionalSuppressMessage("AOT", "IL3050", Justification = "Only where the program has kept reflection.")]
#endif
        public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, value, value!.GetType(), options);
    }
}
