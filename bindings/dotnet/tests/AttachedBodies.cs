using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>A JSON value with bytes beside it, in every call that has a body.</summary>
    internal static class AttachedBodies
    {
        private sealed class Shape
        {
            public int[] Of { get; set; } = Array.Empty<int>();

            public string Name { get; set; } = "";
        }

        private static readonly byte[][] Sizes = { Array.Empty<byte>(), new byte[] { 7 }, Enumerable.Range(0, 3_000_000).Select(n => (byte)n).ToArray() };

        private static Attached<Shape> Array6(byte[] data) => new Attached<Shape>(new Shape { Of = new[] { 2, 3 }, Name = "é😀" }, data);

        private static void Same(Attached<Shape> got, byte[] data)
        {
            Check.Equal(("é😀", 3), (got.Value.Name, got.Value.Of[1]));
            Check.True(got.Data.Span.SequenceEqual(data), $"{data.Length} bytes");
        }

        [Test]
        internal static async Task requests_and_answers_carry_a_value_and_bytes()
        {
            using var scratch = new Scratch();
            using IpcListener listener = Ipc.ListenUdsRequest<Attached<Shape>, Attached<Shape>>("a", data => data, scratch.Options);
            using IpcClient client = IpcClient.ConnectUds("a", scratch.Options);
            foreach (byte[] data in Sizes)
            {
                Same(Ipc.PostUdsRequest<Attached<Shape>, Attached<Shape>>("a", Array6(data), scratch.Options), data);
                Same(client.Request<Attached<Shape>, Attached<Shape>>(Array6(data)), data);
                Same(await client.RequestAsync<Attached<Shape>, Attached<Shape>>(Array6(data)), data);
                IpcMessage raw = client.Request<Attached<Shape>, IpcMessage>(Array6(data));
                Check.True(raw.IsAttached && !raw.IsJson && raw.Data.Span.SequenceEqual(data), "a message");
                Check.True(raw.Text.StartsWith("{", StringComparison.Ordinal), raw.Text);
                Same(client.Request<IpcMessage, Attached<Shape>>(raw), data);
                var any = (Attached<object?>)client.Request<Attached<Shape>, object>(Array6(data))!;
                Check.Equal(data.Length, any.Data.Length);
            }
        }

        [Test]
        internal static void broadcasts_events_and_items_carry_them()
        {
            using var scratch = new Scratch();
            var got = new List<Attached<Shape>>();
            using (IpcListener listener = Ipc.ListenUdsBroadcast<Attached<Shape>>("log", data => { lock (got) got.Add(data); }, scratch.Options))
            using (IpcClient client = IpcClient.ConnectUds("log", scratch.Options))
            {
                client.Broadcast(Array6(Sizes[1]));
                client.Flush();
                Ipc.PostUdsBroadcast("log", Array6(Sizes[2]), scratch.Options);
            }
            Same(got[0], Sizes[1]);
            Same(got[1], Sizes[2]);

            using IpcListener news = Ipc.ListenUdsPublish("news", scratch.Options);
            using IpcSubscription<Attached<Shape>> events = Ipc.SubscribeUds<Attached<Shape>>("news", scratch.Options);
            news.Publish(Array6(Sizes[2]), "topic");
            Same(events.Next()!.Data, Sizes[2]);

            using var sequences = Ipc.ListenUdsStream<Attached<Shape>, Attached<Shape>>(
                "items", (opening, context) => new[] { opening }.Concat(context.Items<Attached<Shape>>()), scratch.Options);
            using IpcStream<Attached<Shape>> stream = Ipc.PostUdsStream<Attached<Shape>, Attached<Shape>>("items", Array6(Sizes[1]), scratch.Options);
            stream.Send(Array6(Sizes[2]));
            stream.End();
            List<Attached<Shape>> items = stream.ToList();
            Same(items[0], Sizes[1]);
            Same(items[1], Sizes[2]);
            Check.Equal(2, items.Count);
        }

        [Test]
        internal static void numbers_come_back_as_they_were_and_the_parts_come_apart()
        {
            using var scratch = new Scratch();
            using IpcListener listener = Ipc.ListenUdsRequest<IpcMessage, IpcMessage>("a", data => data, scratch.Options);
            double[] numbers = { 1.5, -2, 3 };
            byte[] bytes = MemoryMarshal.AsBytes(numbers.AsSpan()).ToArray();
            (string kind, ReadOnlyMemory<byte> data) = Ipc.PostUdsRequest<Attached<string>, Attached<string>>(
                "a", new Attached<string>("f8", bytes), scratch.Options);
            Check.Equal("f8", kind);
            Check.True(MemoryMarshal.Cast<byte, double>(data.Span).SequenceEqual(numbers), "numbers");
        }

        [Test]
        internal static void what_is_asked_for_in_another_type_or_cannot_be_attached_is_refused_with_what_it_is()
        {
            using var scratch = new Scratch();
            using IpcListener listener = Ipc.ListenUdsRequest<IpcMessage, IpcMessage>("a", data => data, scratch.Options);
            using IpcClient client = IpcClient.ConnectUds("a", scratch.Options);
            void Refused(IpcStatus status, string why, Action call)
            {
                IpcException error = Check.Throws<IpcException>(call);
                Check.Equal(status, error.Status);
                Check.True(error.Message.Contains(why, StringComparison.Ordinal), error.Message);
            }
            var attached = new Attached<int>(1, new byte[] { 2 });
            Refused(IpcStatus.InvalidBody, "it is JSON with bytes; use Attached<T>", () => client.Request<Attached<int>, int>(attached));
            Refused(IpcStatus.InvalidBody, "it is JSON with bytes; use Attached<T>", () => client.Request<Attached<int>, byte[]>(attached));
            Refused(IpcStatus.InvalidBody, "it is JSON without bytes", () => client.Request<int, Attached<int>>(1));
            Refused(IpcStatus.InvalidBody, "it is bytes without JSON", () => client.Request<byte[], Attached<int>>(new byte[] { 1 }));
            Refused(IpcStatus.InvalidBody, "", () => client.Request<Attached<string>, Attached<int>>(new Attached<string>("x", default)));
            Refused(IpcStatus.InvalidJson, "data.value", () => client.Request<Attached<double>, int>(new Attached<double>(double.NaN, default)));
            Refused(IpcStatus.InvalidJson, "data.value", () => client.Request<Attached<byte[]>, int>(new Attached<byte[]>(new byte[1], default)));
            Refused(IpcStatus.InvalidJson, "Attached", () => client.Request<Attached<int>[], int>(new[] { attached }));
            Refused(IpcStatus.InvalidJson, "", () => client.Request<IpcMessage, int>(IpcMessage.FromAttached(new byte[] { (byte)'{' }, default)));
            IpcOptions deno = scratch.Options;
            deno.Wire = IpcWire.Deno;
            Refused(IpcStatus.UnsupportedVersion, "the Deno wire", () => Ipc.PostUdsRequest<Attached<int>, int>("a", attached, deno));
        }
    }
}
