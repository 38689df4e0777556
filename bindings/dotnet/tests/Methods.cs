using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>Handlers that are tables of functions, and calls of them.</summary>
    internal static class Methods
    {
        private static readonly IpcMethods Table = new IpcMethods
        {
            { "add", (int a, int b) => a + b },
            { "later", async (int n) => { await Task.Yield(); return n + 1; } },
            { "nothing", () => { } },
            { "pid", (IpcContext context, string greeting) => $"{greeting} {context.Peer.ProcessId}" },
            { "count", (int n) => Count(n) },
            { "shift", (Place place, int by) => new Place { X = place.X + by, Y = place.Y } },
            { "refuse", new Func<int>(() => throw new HandlerException("not today", "not_today")) },
        };

        [Test]
        internal static async Task method_is_called_with_its_parameters()
        {
            using var scratch = new Scratch();
            using IpcListener listener = Ipc.ListenUdsRequest("calc", Table, scratch.Options);
            using IpcClient calc = IpcClient.ConnectUds("calc", scratch.Options);
            Check.Equal(3, calc.Call<int>("add", 1, 2));
            Check.Equal(3, await calc.CallAsync<int>("add", 1, 2));
            Check.Equal(2, calc.Call<int>("later", 1));
            Check.Equal(null, calc.Call<string?>("nothing"));
            Check.Equal($"hello {System.Diagnostics.Process.GetCurrentProcess().Id}", calc.Call<string>("pid", "hello"));
            Place moved = calc.Call<Place>("shift", new Place { X = 1, Y = 2 }, 10);
            Check.Equal((11, 2), (moved.X, moved.Y));
            Check.Equal(3, calc.Call<int>("add", IpcMessage.FromJson("1"), 2));
        }

        [Test]
        internal static async Task plain_request_calls_a_method()
        {
            using var scratch = new Scratch();
            using IpcListener listener = await Ipc.ListenIpRequestAsync(0, Table, scratch.Options);
            using IpcClient calc = IpcClient.ConnectIp(listener.Port!.Value, scratch.Options);
            int Sum(string text) => calc.Request<IpcMessage, int>(IpcMessage.FromJson(text));
            Check.Equal(3, Sum("{\"method\":\"add\",\"params\":[1,2],\"id\":1,\"jsonrpc\":\"2.0\"}"));
            Check.Equal(3, Sum("{\"params\":{\"b\":1,\"a\":2},\"method\":\"add\"}"));
            var items = new List<int>();
            await foreach (int item in calc.StreamAsync<IpcMessage, int>(IpcMessage.FromJson("{\"method\":\"count\",\"params\":[3]}")))
            {
                items.Add(item);
            }
            Check.Equal("0 1 2", string.Join(" ", items));
            Check.Fails(IpcStatus.WrongMode, () => calc.Call<int>("count", 3));
        }

        [Test]
        internal static void what_cannot_be_called_is_told_by_codes_of_its_own()
        {
            using var scratch = new Scratch();
            // The program's own naming of members has no part in the convention.
            IpcOptions options = scratch.Options;
            options.Json = new JsonSerializerOptions { PropertyNamingPolicy = new Shouting(), DictionaryKeyPolicy = new Shouting() };
            using IpcListener listener = Ipc.ListenUdsRequest("calc", Table, options);
            using IpcClient calc = IpcClient.ConnectUds("calc", options);
            Check.Equal(3, calc.Call<int>("add", 1, 2));
            void Refused(string code, string? method, string text)
            {
                IpcException refused = Check.Fails(IpcStatus.HandlerFailed, () => calc.Request<IpcMessage, int>(IpcMessage.FromJson(text)));
                Check.Equal(code, refused.HandlerCode);
                Check.Equal(method, refused.HandlerData is JsonElement data ? data.GetProperty("method").GetString() : null);
            }
            foreach (string name in new[] { "", "sub", "Add", "add " })
            {
                Refused("method_not_found", name, $"{{\"method\":\"{name}\",\"params\":[1,2]}}");
            }
            foreach (string parameters in new[] { "[]", "[1]", "[1,2,3]", "[1,\"x\"]", "[1.5,2]", "[null,2]", "{\"a\":1}", "{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"c\":2}" })
            {
                Refused("invalid_params", "add", $"{{\"method\":\"add\",\"params\":{parameters}}}");
            }
            Refused("invalid_params", "add", "{\"method\":\"add\"}");
            Refused("invalid_params", "pid", "{\"method\":\"pid\",\"params\":{\"greeting\":\"x\",\"context\":1}}");
            foreach (string text in new[] { "null", "1", "\"add\"", "[]", "{}", "{\"method\":1}", "{\"method\":null}" })
            {
                Refused("invalid_request", null, text);
            }
            foreach (string parameters in new[] { "1", "\"ab\"", "null", "true" })
            {
                Refused("invalid_request", "add", $"{{\"method\":\"add\",\"params\":{parameters}}}");
            }
            Check.Equal("invalid_request", Check.Fails(IpcStatus.HandlerFailed, () => calc.Request<byte[], int>(new byte[] { 1 })).HandlerCode);
            Check.Equal("not_today", Check.Fails(IpcStatus.HandlerFailed, () => calc.Call<int>("refuse")).HandlerCode);
            Check.Contains("params[1] is bytes", Check.Fails(IpcStatus.InvalidJson, () => calc.Call<int>("add", 1, new byte[] { 1 })).Message);
            Check.Throws<ArgumentNullException>(() => calc.Call<int>(null!));
        }

        [Test]
        internal static void table_that_cannot_work_is_refused_at_once()
        {
            using var scratch = new Scratch();
            Check.Fails(IpcStatus.InvalidArgument, () => Ipc.ListenUdsRequest("refused", new IpcMethods(), scratch.Options));
            Check.Throws<ArgumentNullException>(() => Ipc.ListenUdsRequest("refused", (IpcMethods)null!, scratch.Options));
            var methods = new IpcMethods { { "one", () => 1 } };
            Check.Fails(IpcStatus.InvalidArgument, () => methods.Add("one", () => 2));
            Check.Throws<ArgumentNullException>(() => methods.Add("two", (Func<int>)null!));
            using IpcListener listener = Ipc.ListenUdsRequest("table", methods, scratch.Options);
            methods.Add("two", () => 2);
            using IpcClient client = IpcClient.ConnectUds("table", scratch.Options);
            Check.Equal(1, client.Call<int>("one"));
            Check.Equal("method_not_found", Check.Fails(IpcStatus.HandlerFailed, () => client.Call<int>("two")).HandlerCode);
            Check.Equal("one two", string.Join(" ", methods.OrderBy(name => name)));
        }

        [Test]
        internal static void broadcasts_call_methods()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var failed = new List<string?>();
            options.HandlerFailed = failure => failed.Add((failure.Exception as HandlerException)?.HandlerCode);
            var seen = new List<string>();
            using IpcListener listener = Ipc.ListenUdsBroadcast("log", new IpcMethods { { "log", (string line) => seen.Add(line) } }, options);
            using IpcClient client = IpcClient.ConnectUds("log", scratch.Options);
            foreach (string method in new[] { "log", "gol", "log" })
            {
                client.Broadcast(new Dictionary<string, object> { ["method"] = method, ["params"] = new[] { method } });
            }
            client.Flush();
            Check.Equal("log log", string.Join(" ", seen));
            Check.Equal("method_not_found", string.Join(" ", failed));
        }

        private static async IAsyncEnumerable<int> Count(int n)
        {
            for (int i = 0; i < n; i++)
            {
                await Task.Yield();
                yield return i;
            }
        }

        public sealed class Place
        {
            public int X { get; set; }

            public int Y { get; set; }
        }

        private sealed class Shouting : JsonNamingPolicy
        {
            public override string ConvertName(string name) => name.ToUpperInvariant();
        }
    }
}
