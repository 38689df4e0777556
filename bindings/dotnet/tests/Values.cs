using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Numerics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>What becomes of each kind of value, from one table.</summary>
    internal static class Values
    {
        /// <summary>One kind of value: what is done with it, and the JSON that is sent, the value that arrives, or the error.</summary>
        internal sealed class Row
        {
            private readonly string expected;
            private readonly Func<IpcClient, string> act;

            internal Row(string kind, string example, string expected, Func<IpcClient, string> act)
            {
                Kind = kind;
                Example = example;
                this.expected = expected;
                this.act = act;
            }

            internal string Kind { get; }

            internal string Example { get; }

            internal string Expected => expected;

            /// <summary>Null where it holds.</summary>
            internal string? Mistake(IpcClient client)
            {
                string got;
                try
                {
                    got = act(client);
                }
                catch (IpcException refused)
                {
                    got = $"{refused.Status}: {refused.Message}";
                }
                bool holds = expected.StartsWith("InvalidJson: ") || expected.StartsWith("InvalidBody: ")
                    ? got.StartsWith(expected.Substring(0, 13)) && got.Contains(expected.Substring(13)) && !got.Contains("\n")
                    : got == expected;
                return holds ? null : $"{Kind}, {Example}: expected <{expected}>, got <{got}>";
            }
        }

        public enum Color
        {
            Red,
            DarkBlue,
        }

        public sealed class Item
        {
            public string? Name { get; set; }
            public int Count { get; set; }
            public object? Image { get; set; }
        }

        public sealed class Order
        {
            public List<Item> Items { get; set; } = new List<Item>();
        }

        public sealed class Paint
        {
            public Color First { get; set; }
            public Color? Second { get; set; }
        }

        public sealed class Pair
        {
            public (int, int) Both { get; set; }
        }

        public sealed class Picture
        {
            public byte[]? Image { get; set; }
        }

        public sealed class WithField
        {
#pragma warning disable CS0649 // is there to be found
            public int Lost;
#pragma warning restore CS0649
        }

        public readonly struct Fixed
        {
            public Fixed(int x) => X = x;

            public int X { get; }
        }

        public interface IShape
        {
            int Sides { get; }
        }

        public class Square : IShape
        {
            public int Sides => 4;
            public int Length { get; set; }
        }

        public sealed class Drawing
        {
            public IShape? Shape { get; set; }
        }

        public sealed class Shy
        {
            public int Value => throw new KeyNotFoundException("not\nhere");
        }

        public sealed class Twins
        {
            public int Value { get; set; }
            [JsonPropertyName("VALUE")] public int Other { get; set; }
        }

        public sealed class Marked
        {
            [JsonPropertyName("other_name")] public int Value { get; set; }
            [JsonIgnore] public int Hidden { get; set; } = 7;
        }

        private static Row Sent<T>(string kind, string example, T value, string expected) =>
            new Row(kind, example, expected, client => client.Request<T, IpcMessage>(value).Text);

        private static Row Received<T>(string kind, string json, string expected, Func<T, object?> show) =>
            new Row(kind, $"`{json}` as {typeof(T).Name}", expected, client =>
            {
                object? shown = show(client.Request<IpcMessage, T>(IpcMessage.FromJson(json)));
                return shown is null ? "null" : FormattableString.Invariant($"{shown}");
            });

        private static Order Holding(object image) => new Order { Items = { new Item(), new Item(), new Item(), new Item { Image = image } } };

        private static IEnumerable<Row> Rows()
        {
            const string InItem = "InvalidJson: data.items[3].image: ";
            yield return Sent("null", "null", (string?)null, "null");
            yield return Sent("bool", "true", true, "true");
            yield return Sent("string", "\"ä<\\u0000\"", "ä<\0", "\"ä<\\u0000\"");
            yield return Sent("string: replacement character", "\"\\ufffd\"", "\ufffd", "\"\ufffd\"");
            yield return Sent("string: text about escapes", "\"\\\\ufffd\"", "\\uFFFD", "\"\\\\uFFFD\"");
            yield return Sent("string: half of a surrogate pair", "\"\\ud800\"", "\ud800", "InvalidJson: data: half of a surrogate pair");
            yield return Sent("string: half of a surrogate pair", "inside", Holding("a\udc00"), InItem + "half of a surrogate pair");
            yield return Sent("string: half of a surrogate pair", "as a key", new Dictionary<string, int> { ["\ud800"] = 1 }, "InvalidJson: data: half of a surrogate pair");
            yield return Sent("char", "'x'", 'x', "\"x\"");
            yield return Sent("int, long, ulong", "9007199254740993", 9007199254740993L, "9007199254740993");
            yield return Received<long>("int, long, ulong", "9007199254740993", "9007199254740993", n => n);
            yield return Received<int>("int: a fraction", "1.5", "InvalidBody: data: ", n => n);
            yield return Received<int>("int: too large", "3000000000", "InvalidBody: data: ", n => n);
            yield return Received<int>("int: a string of digits", "\"1\"", "InvalidBody: data: ", n => n);
            yield return Received<int>("int: null", "null", "InvalidBody: data: ", n => n);
            yield return Sent("BigInteger", "2^70", BigInteger.Pow(2, 70), "1180591620717411303424");
            yield return Received<BigInteger>("BigInteger", "1180591620717411303424", "1180591620717411303424", n => n);
            yield return Received<BigInteger>("BigInteger: a fraction", "1.5", "InvalidBody: data: the JSON value is no whole number", n => n);
            yield return Sent("double", "0.1", 0.1, "0.1");
            yield return Sent("double: negative zero", "-0.0", -0.0, "-0");
            yield return Sent("double: NaN, infinities", "double.NaN", double.NaN, "InvalidJson: data: ");
            yield return Sent("double: NaN, infinities", "inside", Holding(float.PositiveInfinity), InItem);
            yield return Received<double>("double: larger than any", "1e400", "InvalidBody: data: the JSON number is larger", n => n);
            yield return Received<double[]>("float: larger than any", "[1e39]", "1E+39", n => n[0]);
            yield return Received<float[]>("float: larger than any", "[0,1e39]", "InvalidBody: data[1]: the JSON number is larger", n => n);
            yield return Received<double>("double: a string of digits", "\"1\"", "InvalidBody: data: ", n => n);
            yield return Sent("decimal", "1.10m", 1.10m, "1.10");
            yield return Received<decimal>("decimal", "1.10", "1.10", n => n);
            yield return Sent("DateTime", "2026-01-02T03:04:05Z", new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc), "\"2026-01-02T03:04:05Z\"");
            yield return Sent("DateTimeOffset", "2026-01-02T03:04:05+02:00", new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(2)), "\"2026-01-02T03:04:05+02:00\"");
            yield return Sent("TimeSpan", "TimeSpan.FromMilliseconds(1500)", TimeSpan.FromMilliseconds(1500), "\"00:00:01.5000000\"");
            yield return Received<TimeSpan>("TimeSpan", "\"1.02:03:04\"", "1.02:03:04", t => t);
            yield return Received<TimeSpan>("TimeSpan: a number", "5", "InvalidBody: data: the JSON value is no duration", t => t);
            yield return Sent("Guid", "Guid.Empty", Guid.Empty, "\"00000000-0000-0000-0000-000000000000\"");
            yield return Sent("Uri", "new Uri(\"http://a/b\")", new Uri("http://a/b"), "\"http://a/b\"");
            yield return Sent("enum", "Color.DarkBlue", Color.DarkBlue, "\"DarkBlue\"");
            yield return Sent("enum", "inside", new Paint { First = Color.DarkBlue }, "{\"first\":\"DarkBlue\",\"second\":null}");
            yield return Received<Paint>("enum: a name in any case", "{\"first\":\"darkblue\",\"second\":\"Red\"}", "DarkBlue Red", p => $"{p.First} {p.Second}");
            yield return Received<Color>("enum: a number", "1", "DarkBlue", c => c);
            yield return Received<Paint>("enum: no member", "{\"first\":\"pink\"}", "InvalidBody: data.first: ", p => p.First);
            yield return Sent("class, record, anonymous type", "new Item { Name = \"a\" }", new Item { Name = "a", Count = 2 }, "{\"name\":\"a\",\"count\":2,\"image\":null}");
            yield return Sent("class, record, anonymous type", "new { FirstName = 1 }", new { FirstName = 1 }, "{\"firstName\":1}");
            yield return Received<Item>("class: names in any case", "{\"name\":\"a\",\"COUNT\":2}", "a 2", i => $"{i.Name} {i.Count}");
            yield return Received<Item>("class: names that it has not", "{\"name\":\"a\",\"more\":2}", "a 0", i => $"{i.Name} {i.Count}");
            yield return Received<Order>("class: a member of another type", "{\"items\":[{},{\"count\":\"x\"}]}", "InvalidBody: data.items[1].count: ", o => o);
            yield return Sent("class: names of its own, [JsonIgnore]", "[JsonPropertyName(\"other_name\")]", new Marked { Value = 1 }, "{\"other_name\":1}");
            yield return Sent("class: names that differ in case only", "Value, VALUE", new Twins(), "InvalidJson: data: ");
            yield return Sent("class: a getter that throws", "KeyNotFoundException", new Shy(), "InvalidJson: data: KeyNotFoundException: not here");
            yield return Sent("class, struct with public fields", "public int Lost;", new WithField(), "InvalidJson: data: SimpleIpc.Tests.Values+WithField has the public field Lost, which JSON leaves out");
            yield return Sent("class, struct with public fields", "inside", Holding(new System.Numerics.Vector2(1, 2)), InItem + "System.Numerics.Vector2 has the public field X");
            yield return Received<WithField>("class, struct with public fields", "{\"lost\":1}", "InvalidBody: data: SimpleIpc.Tests.Values+WithField has the public field", f => f);
            yield return Sent("struct that nothing can be set of", "new Fixed(1)", new Fixed(1), "{\"x\":1}");
            yield return Received<Fixed>("struct that nothing can be set of", "{\"x\":1}", "InvalidBody: data: SimpleIpc.Tests.Values+Fixed has nothing that can be set", f => f.X);
            yield return Received<List<Square>>("class: a member that cannot be set", "[{\"sides\":9,\"length\":2}]", "4 2", s => $"{s[0].Sides} {s[0].Length}");
            yield return Sent<IShape>("interface, abstract class", "IShape with a Square", new Square { Length = 2 }, "{\"sides\":4,\"length\":2}");
            yield return Sent("interface, abstract class", "inside", new Drawing { Shape = new Square { Length = 2 } }, "{\"shape\":{\"sides\":4,\"length\":2}}");
            yield return Received<Drawing>("interface, abstract class", "{\"shape\":{\"sides\":4}}", "InvalidBody: data.shape: SimpleIpc.Tests.Values+IShape can be no value itself", d => d);
            yield return Sent<object>("object", "new Square()", new Square { Length = 2 }, "{\"sides\":4,\"length\":2}");
            yield return Received<object>("object", "[1]", "[1]", o => (JsonElement)o);
            yield return Sent("array, list, set", "new[] { 1, 2 }", new[] { 1, 2 }, "[1,2]");
            yield return Sent("array, list, set", "Enumerable.Range(1, 2)", Enumerable.Range(1, 2), "[1,2]");
            yield return Sent("array with two dimensions", "new int[1, 1]", new int[1, 1], "InvalidJson: data: ");
            yield return Sent("Stack<T>", "new Stack<int>()", new Stack<int>(), "InvalidJson: data: System.Collections.Generic.Stack<System.Int32> inside JSON, from which it comes back upside down");
            yield return Sent("Dictionary with string keys", "{ [\"A b\"] = 1 }", new Dictionary<string, int> { ["A b"] = 1 }, "{\"A b\":1}");
            yield return Sent("Dictionary: other keys", "{ [1] = 2 }", new Dictionary<int, int> { [1] = 2 }, "{\"1\":2}");
            yield return Received<Dictionary<int, int>>("Dictionary: other keys", "{\"1\":2}", "2", d => d[1]);
            yield return Sent("Dictionary: keys that are no text", "Dictionary<object[], int>", new Dictionary<object[], int> { [new object[0]] = 1 }, "InvalidJson: data: ");
            yield return Sent("value tuple", "(1, 2)", (1, 2), "InvalidJson: data: System.ValueTuple<System.Int32, System.Int32> inside JSON, where a tuple's items get lost");
            yield return Sent("value tuple", "inside", new Pair(), "InvalidJson: data.both: System.ValueTuple<System.Int32, System.Int32> inside JSON");
            yield return Sent("value tuple", "in a list of a list", new[] { new[] { (A: 1, B: 2) } }, "InvalidJson: data[0][0]: ");
            yield return Sent("value tuple", "in an object", Holding((1, "x")), InItem + "System.ValueTuple<System.Int32, System.String>");
            yield return Sent("value tuple", "as a Nullable", new (int, int)?[] { null, (1, 2) }, "InvalidJson: data[1]: ");
            yield return Received<Pair>("value tuple", "{\"both\":{\"item1\":1}}", "InvalidBody: data.both: System.ValueTuple<System.Int32, System.Int32> inside JSON", p => p);
            yield return Received<(int, int)>("value tuple", "{}", "InvalidBody: data: System.ValueTuple<System.Int32, System.Int32> inside JSON", p => p);
            yield return Sent("Tuple, KeyValuePair", "Tuple.Create(1, 2)", Tuple.Create(1, 2), "{\"item1\":1,\"item2\":2}");
            yield return Sent("Tuple, KeyValuePair", "new KeyValuePair<string, int>(\"a\", 1)", new KeyValuePair<string, int>("a", 1), "{\"key\":\"a\",\"value\":1}");
            yield return Received<KeyValuePair<string, int>>("Tuple, KeyValuePair", "{\"key\":\"a\",\"value\":1}", "[a, 1]", p => p);
            yield return new Row("byte[], Memory<byte> and the like, alone", "new byte[] { 1 }", "bytes 1", client => $"{(client.Request<byte[], IpcMessage>(new byte[] { 1 }).IsJson ? "JSON" : "bytes")} 1");
            yield return Sent("byte[] and the like inside JSON", "new Picture { Image = new byte[1] }", new Picture { Image = new byte[1] }, "InvalidJson: data.image: System.Byte[] inside JSON; send bytes as a message of their own");
            yield return Sent("byte[] and the like inside JSON", "in an object", Holding(new byte[1]), InItem + "System.Byte[] inside JSON");
            yield return Sent("byte[] and the like inside JSON", "new[] { new Memory<byte>() }", new[] { new Memory<byte>(new byte[1]) }, "InvalidJson: data[0]: System.Memory<System.Byte> inside JSON");
            yield return Sent("byte[] and the like inside JSON", "new[] { new ArraySegment<byte>() }", new[] { new ArraySegment<byte>(new byte[1]) }, "InvalidJson: data[0]: System.ArraySegment<System.Byte> inside JSON");
            yield return Sent("byte[] and the like inside JSON", "null", new Picture(), "{\"image\":null}");
            yield return Received<Picture>("byte[] and the like inside JSON", "{\"image\":\"AA==\"}", "InvalidBody: data.image: System.Byte[] inside JSON", p => p);
            yield return Sent("IpcMessage, alone", "IpcMessage.FromJson(\"1\")", IpcMessage.FromJson("1"), "1");
            yield return Sent("IpcMessage inside JSON", "in an object", Holding(IpcMessage.FromJson("1")), InItem + "SimpleIpc.IpcMessage inside JSON");
            yield return Sent("JsonElement, JsonDocument", "1.0", JsonDocument.Parse("1.0").RootElement, "1.0");
            yield return Sent("JsonElement: none", "default", default(JsonElement), "InvalidJson: data: ");
            yield return Sent("circle", "a list in itself", Knotted(), "InvalidJson: data[0][0][0]");
            yield return Sent("depth", "400 lists", Deep(400), string.Concat(Enumerable.Repeat("[", 400)) + string.Concat(Enumerable.Repeat("]", 400)));
            yield return Sent("depth", "600 lists", Deep(600), "InvalidJson: data[0][0][0]");
            yield return Sent<object>("Task, ValueTask", "Task.FromResult(1)", Task.FromResult(1), "InvalidJson: data: System.Threading.Tasks.Task<System.Int32> inside JSON; await it");
            yield return Sent("Task, ValueTask", "inside", Holding(new ValueTask<int>(1)), InItem + "System.Threading.Tasks.ValueTask<System.Int32> inside JSON; await it");
            yield return Sent("Exception", "new Exception(\"x\")", new Exception("x"), "InvalidJson: data: System.Exception inside JSON; send its message");
            yield return Sent("StringBuilder", "inside", Holding(new StringBuilder("x")), InItem + "System.Text.StringBuilder inside JSON, where its text gets lost");
            yield return Sent("IntPtr, delegate, Type, Stream, Regex, …", "inside", Holding((IntPtr)1), InItem + "System.IntPtr cannot become JSON");
            yield return Sent("IntPtr, delegate, Type, Stream, Regex, …", "inside", Holding((Action)(() => { })), InItem + "System.Action cannot become JSON");
            yield return Sent("IntPtr, delegate, Type, Stream, Regex, …", "inside", Holding(typeof(int)), InItem);
            yield return Sent("IntPtr, delegate, Type, Stream, Regex, …", "inside", Holding(new Regex("x")), InItem + "System.Text.RegularExpressions.Regex cannot become JSON");
            yield return Sent("IntPtr, delegate, Type, Stream, Regex, …", "inside", Holding(Stream.Null), InItem);
            yield return Sent("IntPtr, delegate, Type, Stream, Regex, …", "inside", Holding(CancellationToken.None), InItem + "System.Threading.CancellationToken cannot become JSON");
            yield return Sent("IntPtr, delegate, Type, Stream, Regex, …", "inside", Holding(DBNull.Value), InItem + "System.DBNull cannot become JSON");
        }

        private static List<object> Knotted()
        {
            var list = new List<object>();
            list.Add(list);
            return list;
        }

        private static object Deep(int levels)
        {
            object[] list = Array.Empty<object>();
            for (int level = 1; level < levels; level++)
            {
                list = new object[] { list };
            }
            return list;
        }

        [Test]
        internal static void each_kind_of_value_is_kept_converted_or_refused_as_the_table_says()
        {
            using var scratch = new Scratch();
            using var echo = Ipc.ListenUdsRequest<IpcMessage, IpcMessage>("values", data => data, scratch.Options);
            using IpcClient client = IpcClient.ConnectUds("values", scratch.Options);
            string[] mistakes = Rows().Select(row => row.Mistake(client)).Where(mistake => mistake != null).ToArray()!;
            Check.True(mistakes.Length == 0, "\n" + string.Join("\n", mistakes));
        }

        [Test]
        internal static void values_of_other_languages_fill_the_members_that_they_name()
        {
            using var scratch = new Scratch();
            using var listener = Ipc.ListenUdsRequest<Item, Item>("names", item => item, scratch.Options);
            Check.Equal(
                "{\"name\":\"ä\",\"count\":3,\"image\":null}",
                Ipc.PostUdsRequest<IpcMessage, IpcMessage>("names", IpcMessage.FromJson("{\"name\":\"ä\",\"count\":3}"), scratch.Options).Text);
        }

        [Test]
        internal static void options_of_the_callers_own_rule()
        {
            using var scratch = new Scratch();
            using var echo = Ipc.ListenUdsRequest<IpcMessage, IpcMessage>("own", data => data, scratch.Options);
            IpcOptions own = scratch.Options;
            own.Json = new JsonSerializerOptions();
            using IpcClient client = IpcClient.ConnectUds("own", own);
            Check.Equal("{\"Image\":\"AQ==\"}", client.Request<Picture, IpcMessage>(new Picture { Image = new byte[] { 1 } }).Text);
            Check.Equal("{\"First\":1,\"Second\":null}", client.Request<Paint, IpcMessage>(new Paint { First = Color.DarkBlue }).Text);
            Check.Equal(0, client.Request<IpcMessage, Item>(IpcMessage.FromJson("{\"count\":1}")).Count);
            // The path is told all the same.
            Check.Contains("data.Items[3].Image: ", Check.Fails(IpcStatus.InvalidJson, () => client.Request<Order, IpcMessage>(Holding(double.NaN))).Message);
            Check.Contains("data.Items[0].Count: ", Check.Fails(IpcStatus.InvalidBody, () => client.Request<IpcMessage, Order>(IpcMessage.FromJson("{\"Items\":[{\"Count\":\"x\"}]}"))).Message);
        }

        [Test]
        internal static void defaults_can_be_had_and_changed()
        {
            using var scratch = new Scratch();
            using var echo = Ipc.ListenUdsRequest<IpcMessage, IpcMessage>("changed", data => data, scratch.Options);
            IpcOptions changed = scratch.Options;
            changed.Json = IpcJson.CreateOptions();
            changed.Json.Converters.Insert(0, new Base64());
            using IpcClient client = IpcClient.ConnectUds("changed", changed);
            Check.Equal("{\"image\":\"AQ==\"}", client.Request<Picture, IpcMessage>(new Picture { Image = new byte[] { 1 } }).Text);
            Check.Equal(1, (int)client.Request<IpcMessage, Picture>(IpcMessage.FromJson("{\"image\":\"AQ==\"}")).Image![0]);
            Check.Fails(IpcStatus.InvalidJson, () => client.Request<Pair, IpcMessage>(new Pair()));
        }

        private sealed class Base64 : JsonConverter<byte[]>
        {
            public override byte[] Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetBytesFromBase64();

            public override void Write(Utf8JsonWriter writer, byte[] value, JsonSerializerOptions options) => writer.WriteBase64StringValue(value);
        }

        [Test]
        internal static void a_json_text_with_half_of_a_surrogate_pair_is_refused()
        {
            using var scratch = new Scratch();
            using var echo = Ipc.ListenUdsRequest<IpcMessage, IpcMessage>("half", data => data, scratch.Options);
            Check.Fails(IpcStatus.InvalidJson, () => Ipc.PostUdsRequest<IpcMessage, IpcMessage>("half", IpcMessage.FromJson("\"\ud800\""), scratch.Options));
        }

        /// <summary>The table for readers.</summary>
        internal static int Print()
        {
            Console.WriteLine("| kind | example | sent, received, or refused |");
            Console.WriteLine("|---|---|---|");
            foreach (Row row in Rows())
            {
                string expected = row.Expected.Length > 120 ? row.Expected.Substring(0, 30) + "…" : row.Expected;
                Console.WriteLine($"| {row.Kind} | {row.Example.Replace("|", "\\|")} | `{expected.Trim()}` |");
            }
            return 0;
        }
    }
}
