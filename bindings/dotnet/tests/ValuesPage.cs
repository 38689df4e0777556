using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary><c>docs/values.md</c> says what each kind of value becomes; this holds its column for .NET.</summary>
    internal static class ValuesPage
    {
        private sealed class Named
        {
            public string Name { get; set; } = "a";
            public int Count { get; set; } = 2;
        }

        private static List<object> Circle()
        {
            var circle = new List<object>();
            circle.Add(circle);
            return circle;
        }

        // A value of each kind; what .NET has none of is left out.
        private static readonly Dictionary<string, object?> Kinds = new Dictionary<string, object?>
        {
            ["nothing: `None`, `null`, `()`"] = null,
            ["truth"] = true,
            ["text"] = "a\u0001",
            ["half of a surrogate pair"] = "\ud800",
            ["whole number"] = -7,
            ["whole number beyond 2^53 (JavaScript: `BigInt`)"] = 9007199254740993L,
            ["number with a fraction"] = 0.1,
            ["floating-point number without a fraction"] = 1.0,
            ["negative zero"] = -0.0,
            ["NaN"] = double.NaN,
            ["infinity"] = float.PositiveInfinity,
            ["list"] = new object[] { 1, Array.Empty<int>() },
            ["object, dictionary"] = new Dictionary<string, object> { ["a"] = 1, ["b"] = new Dictionary<string, int>() },
            ["keys that are numbers"] = new Dictionary<int, int> { [1] = 2 },
            ["tuple"] = (1, 2),
            ["set"] = new HashSet<int> { 1 },
            ["bytes alone"] = new byte[] { 0, 255 },
            ["bytes inside JSON"] = new[] { new byte[] { 0, 255 } },
            ["array of numbers of one type"] = new[] { 1, 2 },
            ["date and time"] = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc),
            ["enum"] = Values.Color.DarkBlue,
            ["decimal"] = 1.10m,
            ["UUID"] = new Guid("00000000-0000-0000-0000-000000000001"),
            ["object of a class or struct with members"] = new Named(),
            ["exception"] = new KeyNotFoundException("x"),
            ["not there yet: coroutine, `Promise`, `Task`"] = Task.FromResult(1),
            ["function"] = (Action)(() => { }),
            ["regular expression"] = new Regex("x"),
            ["value that contains itself"] = Circle(),
        };

        [Test]
        internal static void each_kind_of_value_becomes_what_the_table_of_values_says()
        {
            using var scratch = new Scratch();
            using var echo = Ipc.ListenUdsRequest<IpcMessage, IpcMessage>("page", data => data, scratch.Options);
            using IpcClient client = IpcClient.ConnectUds("page", scratch.Options);
            string page = File.ReadAllText(Path.Combine(Environment.GetEnvironmentVariable("SIMPLE_IPC_ROOT")!, "docs", "values.md"));
            string table = page.Split("<!-- table -->")[1].Split("<!-- end -->")[0];
            string[][] rows = table.Trim().Split('\n').Select(line => line.Trim('|').Split(" | ").Select(cell => cell.Trim()).ToArray()).ToArray();
            int column = Array.IndexOf(rows[0], ".NET");
            foreach (string[] row in rows.Skip(2))
            {
                string kind = row[0], cell = row[column];
                Check.True(Kinds.TryGetValue(kind, out object? value) == (cell != "–"), kind);
                if (cell == "–")
                {
                    continue;
                }
                if (cell == "refused")
                {
                    Check.Fails(IpcStatus.InvalidJson, () => client.Request<object?, IpcMessage>(value));
                    Check.Fails(IpcStatus.InvalidJson, () => client.Request<object, IpcMessage>(new { Items = new[] { value } }));
                }
                else if (cell == "kept bytes")
                {
                    Check.True(!client.Request<byte[], IpcMessage>((byte[])value!).IsJson, kind);
                }
                else
                {
                    Check.Equal(Regex.Match(cell, "`(.*)`").Groups[1].Value, client.Request<object?, IpcMessage>(value).Text);
                }
            }
        }
    }
}
