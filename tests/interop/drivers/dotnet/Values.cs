using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using System.Text.Json;

namespace SimpleIpc.Interop
{
    /// <summary>Values as the runner writes them, and as a .NET user holds them.</summary>
    static class Values
    {
        /// <summary>The bytes 0 to 250 over and over.</summary>
        static byte[] Pattern(int length)
        {
            var data = new byte[length];
            for (int i = 0; i < Math.Min(length, 251); i++)
            {
                data[i] = (byte)i;
            }
            for (int have = 251; have < length; have *= 2)
            {
                Buffer.BlockCopy(data, 0, data, have, Math.Min(have, length - have));
            }
            return data;
        }

        /// <summary>A body from <c>value:DESCRIPTION</c>, <c>json:TEXT</c>, <c>bytes:LENGTH</c> or <c>attached:LENGTH:TEXT</c>.</summary>
        internal static object? Build(string value)
        {
            if (value.StartsWith("bytes:", StringComparison.Ordinal))
            {
                return Pattern(int.Parse(value.Substring(6), CultureInfo.InvariantCulture));
            }
            if (value.StartsWith("attached:", StringComparison.Ordinal))
            {
                string[] parts = value.Split(new[] { ':' }, 3);
                using var json = JsonDocument.Parse(parts[2]);
                return new Attached<JsonElement>(json.RootElement.Clone(), Pattern(int.Parse(parts[1], CultureInfo.InvariantCulture)));
            }
            if (value.StartsWith("json:", StringComparison.Ordinal))
            {
                return IpcMessage.FromJson(value.Substring(5));
            }
            using var description = JsonDocument.Parse(value.Substring(6));
            return FromDescription(description.RootElement);
        }

        static object? FromDescription(JsonElement value)
        {
            switch (value.ValueKind)
            {
                case JsonValueKind.Null: return null;
                case JsonValueKind.True: return true;
                case JsonValueKind.False: return false;
            }
            var member = value.EnumerateObject().Single();
            switch (member.Name)
            {
                case "s": return FromUnits(member.Value.GetString()!);
                case "n":
                    string text = member.Value.GetString()!;
                    return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole)
                        ? (object)whole
                        : double.Parse(text, CultureInfo.InvariantCulture);
                case "a": return member.Value.EnumerateArray().Select(FromDescription).ToArray();
                default:
                    return member.Value.EnumerateArray().ToDictionary(
                        pair => FromUnits(pair[0].GetString()!), pair => FromDescription(pair[1]));
            }
        }

        /// <summary>What arrived, as its user sees it; as JSON text where a .NET string cannot be made of it.</summary>
        internal static string Describe(IpcMessage message)
        {
            if (message.IsAttached)
            {
                bool counts = message.Data.Span.SequenceEqual(Pattern(message.Data.Length));
                return $"attached:{message.Data.Length}:{(counts ? "good" : "bad")}:{message.Text}";
            }
            if (!message.IsJson)
            {
                bool good = message.Data.Span.SequenceEqual(Pattern(message.Data.Length));
                return $"bytes:{message.Data.Length}:{(good ? "good" : "bad")}";
            }
            try
            {
                using var document = JsonDocument.Parse(message.Data);
                return "value:" + JsonSerializer.Serialize(ToDescription(document.RootElement));
            }
            catch (InvalidOperationException)
            {
                return "json:" + message.Text;
            }
        }

        static object? ToDescription(JsonElement value)
        {
            switch (value.ValueKind)
            {
                case JsonValueKind.Null: return null;
                case JsonValueKind.True: return true;
                case JsonValueKind.False: return false;
                case JsonValueKind.String: return One("s", Units(value.GetString()!));
                case JsonValueKind.Number:
                    return One("n", value.TryGetInt64(out long whole) && value.GetRawText() != "-0"
                        ? whole.ToString(CultureInfo.InvariantCulture)
                        : value.GetDouble().ToString("R", CultureInfo.InvariantCulture));
                case JsonValueKind.Array: return One("a", value.EnumerateArray().Select(ToDescription).ToArray());
                default:
                    return One("o", value.EnumerateObject()
                        .Select(member => new[] { Units(member.Name), ToDescription(member.Value) }).ToArray());
            }
        }

        static Dictionary<string, object?> One(string kind, object? content) =>
            new Dictionary<string, object?> { [kind] = content };

        static string Units(string text) =>
            string.Concat(text.Select(unit => ((int)unit).ToString("x4", CultureInfo.InvariantCulture)));

        static string FromUnits(string units)
        {
            var text = new StringBuilder();
            for (int at = 0; at < units.Length; at += 4)
            {
                text.Append((char)int.Parse(units.Substring(at, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture));
            }
            return text.ToString();
        }
    }
}
