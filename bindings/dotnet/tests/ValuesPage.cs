using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>The column of this language in docs/values.md.</summary>
    internal static class ValuesPage
    {
        private static readonly Dictionary<string, object?> Examples = new Dictionary<string, object?>
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
            ["infinity"] = double.NegativeInfinity,
            ["list"] = new object[] { 1, new object[0] },
            ["object, dictionary"] = new Dictionary<string, object> { ["a"] = 1, ["b"] = new Dictionary<string, object>() },
            ["keys that are numbers"] = new Dictionary<int, int> { [1] = 2 },
            ["tuple"] = (1, 2),
            ["set"] = new HashSet<int> { 1 },
            ["bytes alone"] = new byte[] { 1 },
            ["bytes inside JSON"] = new[] { new byte[] { 1 } },
            ["array of numbers of one type"] = new[] { 1, 2 },
            ["date and time"] = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc),
            ["enum"] = Values.Color.DarkBlue,
            ["decimal"] = 1.10m,
            ["UUID"] = new Guid("00000000-0000-0000-0000-000000000001"),
            ["object of a class or struct with members"] = new { Name = "a", Count = 2 },
            ["exception"] = new InvalidOperationException("x"),
            ["not there yet: coroutine, `Promise`, `Task`"] = Task.FromResult(1),
            ["function"] = (Action)(() => { }),
            ["regular expression"] = new Regex("x"),
            ["value that contains itself"] = Circle(),
        };

        private static List<object> Circle()
        {
            var list = new List<object>();
            list.Add(list);
            return list;
        }

        /// <summary>Kinds and what the page says of them here.</summary>
        private static Dictionary<string, string> Column()
        {
            string root = Environment.GetEnvironmentVariable("SIMPLE_IPC_ROOT") ?? throw new Exception("SIMPLE_IPC_ROOT is to name the checkout; test.sh does so");
            string[][] rows = File.ReadAllLines(Path.Combine(root, "docs", "values.md"))
                .SkipWhile(line => line != "<!-- table -->").Skip(1).TakeWhile(line => line != "<!-- end -->")
                .Select(line => line.Trim('|').Split('|').Select(cell => cell.Trim()).ToArray()).ToArray();
            int column = Array.IndexOf(rows[0], ".NET");
            return rows.Skip(2).Where(row => row[column] != "\u2013").ToDictionary(row => row[0], row => row[column]);
        }

        [Test]
        internal static void each_kind_of_value_becomes_what_the_table_of_values_says()
        {
            using var scratch = new Scratch();
            using var echo = Ipc.ListenUdsRequest<IpcMessage, IpcMessage>("page", data => data, scratch.Options);
            object? answer = null;
            using var answers = Ipc.ListenUdsRequest<string, object?>("answers", data => answer, scratch.Options);
            using IpcClient client = IpcClient.ConnectUds("page", scratch.Options);
            Dictionary<string, string> column = Column();
            Check.Equal(string.Join("\n", column.Keys.OrderBy(it => it, StringComparer.Ordinal)), string.Join("\n", Examples.Keys.OrderBy(it => it, StringComparer.Ordinal)));
            foreach ((string kind, string said) in column.Select(it => (it.Key, it.Value)))
            {
                object? value = Examples[kind];
                if (said == "refused")
                {
                    Check.Contains(": data", Check.Fails(IpcStatus.InvalidJson, () => client.Request<object?, IpcMessage>(value)).Message);
                    object nested = new { Items = new object?[] { 1, 2, 3, new { Image = value } } };
                    Check.Contains(": data.items[3].image", Check.Fails(IpcStatus.InvalidJson, () => client.Request<object, IpcMessage>(nested)).Message);
                    answer = nested;
                    Check.Contains(": answer.items[3].image", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, IpcMessage>("answers", "x", scratch.Options)).Message);
                    continue;
                }
                IpcMessage sent = client.Request<object?, IpcMessage>(value);
                string expected = said.Replace("kept ", "").Replace("becomes ", "").Trim('`');
                Check.Equal((kind, expected), (kind, sent.IsJson ? sent.Text : "bytes"));
            }
        }
    }
}
