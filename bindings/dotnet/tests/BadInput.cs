using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    internal static class BadInput
    {
        public sealed class Knot
        {
            public Knot? Next { get; set; }
        }

        public sealed class Trap
        {
            public int Value => throw new InvalidOperationException("a trap");
        }

        [Test]
        internal static async Task what_json_cannot_hold_is_refused_before_anything_is_sent()
        {
            using var scratch = new Scratch();
            using var listener = Ipc.ListenUdsRequest<IpcMessage, IpcMessage>("echo", data => data, scratch.Options);
            using IpcClient client = IpcClient.ConnectUds("echo", scratch.Options);
            var knot = new Knot();
            knot.Next = knot;
            foreach (Action send in new Action[]
            {
                () => client.Request<Knot, string>(knot),
                () => client.Request<double, string>(double.NaN),
                () => client.Request<double, string>(double.PositiveInfinity),
                () => client.Request<Action, string>(() => { }),
                () => client.Request<Trap, string>(new Trap()),
                () => client.Request<IpcMessage, string>(IpcMessage.FromJson("{nonsense")),
                () => client.Broadcast(double.NaN),
                () => Ipc.PostUdsRequest<double, string>("echo", double.NaN, scratch.Options),
                () => Ipc.PostUdsBroadcast("echo", knot, scratch.Options),
            })
            {
                Check.True(!Check.Fails(IpcStatus.InvalidJson, send).MayHaveBeenHandled, "nothing was sent");
            }
            await Check.FailsAsync(IpcStatus.InvalidJson, () => client.RequestAsync<Knot, string>(knot));
            await Check.FailsAsync(IpcStatus.InvalidJson, () => client.RequestAsync<IpcMessage, string>(IpcMessage.FromJson("")));
            await Check.FailsAsync(IpcStatus.InvalidJson, () => Ipc.PostUdsRequestAsync<double, string>("echo", double.NaN, scratch.Options));
            Check.Equal(0L, listener.Counters.Messages);
        }

        [Test]
        internal static void replies_of_another_type_are_an_invalid_body()
        {
            using var scratch = new Scratch();
            using var listener = Ipc.ListenUdsRequest<IpcMessage, IpcMessage>("echo", data => data, scratch.Options);
            using IpcClient client = IpcClient.ConnectUds("echo", scratch.Options);
            Check.True(Check.Fails(IpcStatus.InvalidBody, () => client.Request<string, int>("x")).MayHaveBeenHandled, "it was handled");
            Check.Fails(IpcStatus.InvalidBody, () => client.Request<byte[], string>(new byte[1]));
            Check.Fails(IpcStatus.InvalidBody, () => client.Request<string, byte[]>("x"));
            Check.Fails(IpcStatus.InvalidBody, () => client.Request<string?, ReadOnlyMemory<byte>>(null));
            Check.Fails(IpcStatus.InvalidBody, () => client.Request<IpcMessage, string>(IpcMessage.FromJson("\"\\ud800\"")));
            Check.Equal<byte[]?>(null, client.Request<string?, byte[]?>(null));
            Check.True(client.Request<byte[], object>(new byte[] { 1 }) is byte[] bytes && bytes.Length == 1, "object takes bytes");
            Check.Equal(JsonValueKind.Number, ((JsonElement)client.Request<int, object>(1)).ValueKind);
        }

        [Test]
        internal static void names_ports_paths_and_options_are_checked()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            foreach (string name in new[] { "", "a.b", "a/b", "a\0b", "\ud800", "ä", new string('x', 86) })
            {
                Check.Fails(IpcStatus.InvalidName, () => Ipc.PostUdsRequest<string, string>(name, "x", options));
                Check.Fails(IpcStatus.InvalidName, () => Ipc.ListenUdsRequest<string, string>(name, data => data, options));
                Check.Fails(IpcStatus.InvalidName, () => IpcClient.ConnectUds(name, options));
            }
            foreach (int port in new[] { -1, 0, 65536, int.MaxValue, int.MinValue })
            {
                Check.Fails(IpcStatus.InvalidPort, () => Ipc.PostIpRequest<string, string>(port, "x", options));
                Check.Fails(IpcStatus.InvalidPort, () => IpcClient.ConnectIp(port, options));
            }
            Check.Fails(IpcStatus.InvalidPort, () => Ipc.ListenIpBroadcast<string>(-1, _ => { }, options));
            // On Windows a pipe's name is made of a number that stands for the path.
            IpcStatus tooLong = Check.IsWindows ? IpcStatus.NotListening : IpcStatus.PathTooLong;
            Check.Fails(tooLong, () => IpcClient.ConnectPath("/" + new string('x', 200)));
            Check.Fails(IpcStatus.InvalidArgument, () => IpcClient.ConnectPath("/tmp/a\0b"));
            Check.Fails(IpcStatus.InvalidArgument, () => Ipc.Channels("/tmp/a\0b"));
            Check.Throws<ArgumentNullException>(() => Ipc.PostUdsRequest<string, string>(null!, "x"));
            Check.Throws<ArgumentNullException>(() => Ipc.ListenUdsRequest("x", (Func<string, string>)null!));
            Check.Throws<ArgumentNullException>(() => Ipc.ListenUdsBroadcast("x", (Func<string, IpcContext, Task>)null!));

            foreach (Action<IpcOptions> nonsense in new Action<IpcOptions>[]
            {
                o => o.Timeout = TimeSpan.FromSeconds(-3),
                o => o.Timeout = TimeSpan.FromTicks(-1),
                o => o.Wait = TimeSpan.FromDays(-1),
                o => o.Wire = (IpcWire)9,
                o => o.PathStyle = (IpcPathStyle)9,
                o => o.SocketMode = 0xFFFF,
                o => o.MaxMessage = -1,
                o => o.MaxMessage = long.MaxValue,
                o => o.MaxConnections = 0,
                o => o.MaxConnections = -5,
                o => o.MaxSessionInFlight = 0,
                o => o.MaxInFlight = -1,
                o => o.MaxSessionWaiting = -1,
                o => o.MaxWaiting = 0,
                o => o.HelloTimeout = TimeSpan.Zero,
                o => o.StallTimeout = TimeSpan.Zero,
                o => o.Threads = -1,
                o => o.Spin = TimeSpan.FromSeconds(-1),
                o => o.SharedMemory = -1,
                o => o.Path = "a\0b",
                o => o.Directory = "a\0b",
            })
            {
                IpcOptions bad = scratch.Options;
                nonsense(bad);
                Check.Fails(IpcStatus.InvalidArgument, () => Ipc.PostUdsRequest<string, string>("options", "x", bad));
            }
        }

        [Test]
        internal static void every_option_reaches_the_library()
        {
            using var scratch = new Scratch();
            uint me = Check.Throws<IpcException>(() => Ipc.PostUdsRequest<string, string>("x", "x", scratch.Options)).Status == IpcStatus.NotListening ? 1u : 0u;
            Check.Equal(1u, me);
            string path = Path.Combine(scratch.Path, "own.sock");
            using (IpcListener listener = Ipc.ListenUdsRequest<IpcMessage, uint?>("x", (data, context) => context.Peer.UserId, new IpcOptions
            {
                Path = path, Grace = TimeSpan.FromSeconds(1), PlainText = false, Threads = 2, Spin = TimeSpan.Zero, CheckInterval = TimeSpan.FromSeconds(5), Tap = true,
                MaxConnections = 5, AllowAnyone = true, SocketMode = Convert.ToUInt32("666", 8), MaxMessage = 100,
                MaxSessionInFlight = 1, MaxInFlight = 1, MaxSessionWaiting = 1, MaxWaiting = 1, SharedMemory = 1 << 20,
                HelloTimeout = TimeSpan.FromSeconds(5), StallTimeout = TimeSpan.FromSeconds(5),
            }))
            {
                Check.Equal(path, listener.Path!);
                var options = new IpcOptions { Path = path, Wire = IpcWire.Native, Timeout = Timeout.InfiniteTimeSpan, Wait = TimeSpan.FromSeconds(1) };
                uint? user = Ipc.PostUdsRequest<string, uint?>("x", "x", options);
                // Users have no numbers on Windows.
                Check.Equal(!Check.IsWindows, user != null);
                Check.Fails(IpcStatus.TooLarge, () => Ipc.PostUdsRequest<string, uint?>("x", new string('x', 200), options));
                options.AllowedUsers = user == null ? null : new[] { user.Value };
                Check.Equal(user, Ipc.PostUdsRequest<string, uint?>("x", "x", options));
            }
            using (IpcListener listener = Ipc.ListenUdsRequest<string, string>("x", data => data, new IpcOptions { Directory = scratch.Path, PathStyle = IpcPathStyle.V0_0_14 }))
            {
                Check.Equal(Path.Combine(scratch.Path, "x.sock"), listener.Path!);
            }
        }

        [Test]
        internal static void options_with_json_settings_are_used_on_both_sides()
        {
            using var scratch = new Scratch();
            IpcOptions camel = scratch.Options;
            camel.Json = new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };
            using var listener = Ipc.ListenUdsRequest<IpcMessage, Calls.Point>("camel", data => { Check.Equal("{\"x\":1,\"name\":null}", data.Text); return new Calls.Point { X = 2 }; }, camel);
            Check.Equal("{\"x\":2,\"name\":null}", Ipc.PostUdsRequest<Calls.Point, IpcMessage>("camel", new Calls.Point { X = 1 }, camel).Text);
            using IpcClient client = IpcClient.ConnectUds("camel", camel);
            Check.Equal(2, client.Request<Calls.Point, Calls.Point>(new Calls.Point { X = 1 }).X);
        }

        [Test]
        internal static async Task use_after_close_is_an_error_and_a_second_close_is_silent()
        {
            using var scratch = new Scratch();
            IpcListener listener = Ipc.ListenUdsRequest<string, string>("closing", data => data, scratch.Options);
            IpcClient client = IpcClient.ConnectUds("closing", scratch.Options);
            client.Close();
            client.Close();
            await client.CloseAsync();
            Check.Fails(IpcStatus.Closed, () => client.Request<string, string>("x"));
            client.Dispose();
            client.Dispose();
            await client.DisposeAsync();
            client.Close();
            Check.Fails(IpcStatus.Closed, () => client.Request<string, string>("x"));
            Check.Fails(IpcStatus.Closed, () => client.Broadcast("x"));
            Check.Fails(IpcStatus.Closed, () => client.Flush());
            Check.Fails(IpcStatus.Closed, () => client.Ping());
            await Check.FailsAsync(IpcStatus.Closed, () => client.RequestAsync<string, string>("x"));
            await Check.FailsAsync(IpcStatus.Closed, () => client.BroadcastAsync("x"));

            listener.Close();
            listener.Close();
            Check.Equal(0L, listener.Counters.Messages);
            Check.Fails(IpcStatus.NotListening, () => Ipc.PostUdsRequest<string, string>("closing", "x", scratch.Options));
            listener.Dispose();
            listener.Dispose();
            await listener.DisposeAsync();
            listener.Close();
            await listener.CloseAsync();
            Check.Fails(IpcStatus.Closed, () => listener.Counters.ToString());
        }

        [Test]
        internal static void second_listener_is_refused_while_first_lives()
        {
            using var scratch = new Scratch();
            using var first = Ipc.ListenUdsRequest<string, string>("taken", data => data, scratch.Options);
            IpcException refused = Check.Fails(IpcStatus.InUse, () => Ipc.ListenUdsRequest<string, string>("taken", data => data, scratch.Options));
            Check.Contains(System.Diagnostics.Process.GetCurrentProcess().Id.ToString(), refused.Message);
            Check.Fails(IpcStatus.WrongMode, () => Ipc.PostUdsBroadcast("taken", "x", scratch.Options));
        }
    }
}
