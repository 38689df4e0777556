using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>Streams that go well: answers, questions and both that are sequences.</summary>
    internal static class Streams
    {
        public sealed class Line
        {
            public string Text { get; set; } = "";

            public int N { get; set; }
        }

        internal static IEnumerable<int> Count(int n) => Enumerable.Range(0, n);

        internal static IEnumerable<int> CountIn(int n, IpcContext context) => context.IsStream ? Count(n) : Count(0);

        internal static async IAsyncEnumerable<int> CountLater(int n)
        {
            for (int i = 0; i < n; i++)
            {
                await Task.Yield();
                yield return i;
            }
        }

        internal static async IAsyncEnumerable<int> CountLaterIn(int n, IpcContext context)
        {
            await Task.Yield();
            for (int i = 0; i < (context.IsStream ? n : 0); i++)
            {
                yield return i;
            }
        }

        internal static async Task<List<T>> ListAsync<T>(IAsyncEnumerable<T> items)
        {
            var list = new List<T>();
            await foreach (T item in items)
            {
                list.Add(item);
            }
            return list;
        }

        [Test]
        internal static async Task every_form_of_a_sequence_is_taken_in_every_form_of_a_loop()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var listeners = new[]
            {
                Ipc.ListenUdsRequest<int, int>("count1", CountLater, options),
                Ipc.ListenUdsRequest<int, int>("count2", CountLaterIn, options),
                Ipc.ListenUdsStream<int, int>("count3", Count, options),
                Ipc.ListenUdsStream<int, int>("count4", CountIn, options),
                Ipc.ListenIpRequest<int, int>(0, CountLater, options),
                Ipc.ListenIpRequest<int, int>(0, CountLaterIn, options),
                Ipc.ListenIpStream<int, int>(0, Count, options),
                Ipc.ListenIpStream<int, int>(0, CountIn, options),
                await Ipc.ListenUdsRequestAsync<int, int>("count5", CountLater, options),
                await Ipc.ListenUdsRequestAsync<int, int>("count6", CountLaterIn, options),
                await Ipc.ListenUdsStreamAsync<int, int>("count7", Count, options),
                await Ipc.ListenUdsStreamAsync<int, int>("count8", CountIn, options),
                await Ipc.ListenIpRequestAsync<int, int>(0, CountLater, options),
                await Ipc.ListenIpRequestAsync<int, int>(0, CountLaterIn, options),
                await Ipc.ListenIpStreamAsync<int, int>(0, Count, options),
                await Ipc.ListenIpStreamAsync<int, int>(0, CountIn, options),
                Ipc.ListenUdsRequest<int, object>("count9", n => Task.FromResult<object>(Boxed(CountLater(n))), options),
                Ipc.ListenUdsRequest<int, object>("count10", n => (object)Boxed(CountLater(n)), options),
            };
            foreach (IpcListener listener in listeners)
            {
                if (listener.Port is int port)
                {
                    Check.Equal("0 1 2", string.Join(" ", Ipc.PostIpStream<int, int>(port, 3, options)));
                    Check.Equal("0 1 2", string.Join(" ", await ListAsync(Ipc.PostIpStreamAsync<int, int>(port, 3, options))));
                }
                else
                {
                    Check.Equal("0 1 2", string.Join(" ", Ipc.PostUdsStream<int, int>(listener.Channel, 3, options)));
                    Check.Equal("0 1 2", string.Join(" ", await ListAsync(Ipc.PostUdsStreamAsync<int, int>(listener.Channel, 3, options))));
                    // In the other form of a loop, too.
                    Check.Equal("0 1 2", string.Join(" ", Ipc.PostUdsStreamAsync<int, int>(listener.Channel, 3, options)));
                    using IpcClient client = IpcClient.ConnectUds(listener.Channel, options);
                    Check.Equal("0 1 2", string.Join(" ", client.Stream<int, int>(3)));
                    Check.Equal("0 1 2", string.Join(" ", await ListAsync(client.StreamAsync<int, int>(3))));
                }
                listener.Dispose();
            }
        }

        private static async IAsyncEnumerable<object> Boxed(IAsyncEnumerable<int> items)
        {
            await foreach (int item in items)
            {
                yield return item;
            }
        }

        [Test]
        internal static async Task caller_sends_items_and_gets_one_answer()
        {
            using var scratch = new Scratch();
            using var sum = Ipc.ListenUdsRequest<string, int>("sum", (_, context) => context.Items<int>().Sum(), scratch.Options);
            using var later = Ipc.ListenUdsRequest<string, int>("later", async (_, context) => (await ListAsync(context.Items<int>())).Sum(), scratch.Options);
            foreach (string channel in new[] { "sum", "later" })
            {
                using (IpcStream<int> stream = Ipc.PostUdsStream<string, int>(channel, "", scratch.Options))
                {
                    foreach (int n in Enumerable.Range(0, 1000))
                    {
                        stream.Send(n);
                    }
                    stream.End();
                    Check.Equal(499500, stream.Next()!.Value.Data);
                    Check.True(stream.Next() is null && stream.Next() is null, "the end, as often as it is asked");
                }
                await using (IpcStream<int> stream = Ipc.PostUdsStreamAsync<string, int>(channel, "", scratch.Options))
                {
                    foreach (int n in Enumerable.Range(0, 1000))
                    {
                        await stream.SendAsync(n);
                    }
                    stream.End();
                    stream.End();
                    Check.Equal("499500", string.Join(" ", await ListAsync(stream)));
                }
                // A plain request has no items.
                Check.Equal(0, Ipc.PostUdsRequest<string, int>(channel, "", scratch.Options));
            }
        }

        [Test]
        internal static async Task items_go_both_ways_at_once()
        {
            using var scratch = new Scratch();
            using var echo = Ipc.ListenUdsRequest<string, Line>("echo", (_, context) => context.Items<Line>(), scratch.Options);
            using var blocking = Ipc.ListenUdsStream<string, Line>("blocking", (_, context) => context.Items<Line>(), scratch.Options);
            const int Lines = 5_000;
            foreach (string channel in new[] { "echo", "blocking" })
            {
                using IpcStream<Line> stream = Ipc.PostUdsStream<string, Line>(channel, "", scratch.Options);
                Task sending = Task.Run(async () =>
                {
                    for (int n = 0; n < Lines; n++)
                    {
                        await stream.SendAsync(new Line { N = n, Text = new string('x', n % 300) });
                    }
                    stream.End();
                });
                int next = 0;
                await foreach (Line line in stream)
                {
                    Check.Equal((next, next % 300), (line.N, line.Text.Length));
                    next++;
                }
                Check.Equal(Lines, next);
                await sending;
            }
        }

        [Test]
        internal static async Task every_kind_of_body_is_an_item_both_ways()
        {
            using var scratch = new Scratch();
            using var echo = Ipc.ListenUdsRequest<IpcMessage, object?>("echo", EchoAll, scratch.Options);
            using IpcStream<object> stream = Ipc.PostUdsStream<byte[], object>("echo", new byte[] { 9 }, scratch.Options);
            stream.Send(new byte[] { 1, 2 });
            stream.Send(new ReadOnlyMemory<byte>(new byte[] { 0, 3 }, 1, 1));
            stream.Send(Array.Empty<byte>());
            stream.Send(IpcMessage.FromJson("[1, 2]"));
            stream.Send<string?>(null);
            await stream.SendAsync(new Line { N = 5 });
            stream.End();
            var told = new List<string>();
            await foreach (object item in stream)
            {
                told.Add(item is byte[] bytes ? string.Join(",", bytes) : item?.ToString() ?? "null");
            }
            Check.Equal("9|1,2|3||[1, 2]|null|{\"text\":\"\",\"n\":5}", string.Join("|", told));
        }

        private static async IAsyncEnumerable<object?> EchoAll(IpcMessage opening, IpcContext context)
        {
            yield return opening.Data;
            await foreach (IpcMessage item in context.Items<IpcMessage>())
            {
                yield return item;
            }
        }

        [Test]
        internal static async Task item_that_is_not_what_was_asked_for_says_so_and_the_next_call_goes_on()
        {
            using var scratch = new Scratch();
            static IEnumerable<object> Mixed(string _)
            {
                yield return "one";
                yield return new byte[1];
                yield return 2;
            }
            using var mixed = Ipc.ListenUdsStream<string, object>("mixed", Mixed, scratch.Options);
            using IpcStream<int> stream = Ipc.PostUdsStream<string, int>("mixed", "", scratch.Options);
            Check.Fails(IpcStatus.InvalidBody, () => stream.Next());
            await Check.FailsAsync(IpcStatus.InvalidBody, () => stream.NextAsync().AsTask());
            Check.Equal(2, stream.Next()!.Value.Data);
            Check.True(stream.Next() is null, "the end");
            using var later = Ipc.ListenUdsRequest<string, string>("later", async (_, context) =>
            {
                IpcItems<int> items = context.Items<int>();
                await Check.FailsAsync(IpcStatus.InvalidBody, () => items.NextAsync().AsTask());
                Check.Fails(IpcStatus.InvalidBody, () => items.Next());
                // The same ones, of another type.
                return $"{(await items.NextAsync())!.Value.Data} {context.Items<string>().Next()!.Value.Data} {items.Next() is null}";
            }, scratch.Options);
            using IpcStream<string> upload = Ipc.PostUdsStream<string, string>("later", "", scratch.Options);
            upload.Send("one");
            upload.Send(new byte[1]);
            upload.Send(2);
            upload.Send("three");
            upload.End();
            Check.Equal("2 three True", upload.Next()!.Value.Data);
        }

        [Test]
        internal static void plain_request_to_a_sequence_is_refused_and_no_handler_runs()
        {
            using var scratch = new Scratch();
            int called = 0;
            IEnumerable<int> Counted(int n)
            {
                called++;
                return Count(n);
            }
            using var later = Ipc.ListenUdsRequest<int, int>("later", (n, context) => { called++; return CountLater(n); }, scratch.Options);
            using var blocking = Ipc.ListenUdsStream<int, int>("blocking", Counted, scratch.Options);
            foreach (string channel in new[] { "later", "blocking" })
            {
                Check.Fails(IpcStatus.WrongMode, () => Ipc.PostUdsRequest<int, int>(channel, 3, scratch.Options));
                Check.Equal(0, called);
                Check.Equal(3, Ipc.PostUdsStream<int, int>(channel, 3, scratch.Options).Count());
                Check.Equal(1, called--);
            }
            using var chosen = Ipc.ListenUdsRequest<int, object>("chosen", n => (object)Boxed(CountLater(n)), scratch.Options);
            Check.Fails(IpcStatus.WrongMode, () => Ipc.PostUdsRequest<int, object>("chosen", 3, scratch.Options));
            // A broadcast listener takes neither.
            using var broadcast = Ipc.ListenUdsBroadcast<int>("broadcast", _ => { }, scratch.Options);
            Check.Fails(IpcStatus.WrongMode, () => Ipc.PostUdsStream<int, int>("broadcast", 3, scratch.Options));
        }

        [Test]
        internal static async Task stream_of_a_handler_with_one_answer_has_that_one_item()
        {
            using var scratch = new Scratch();
            using var one = Ipc.ListenUdsRequest<int, int>("one", (n, context) => context.IsStream ? n + 1 : n, scratch.Options);
            Check.Equal(3, Ipc.PostUdsRequest<int, int>("one", 3, scratch.Options));
            Check.Equal("4", string.Join(" ", Ipc.PostUdsStream<int, int>("one", 3, scratch.Options)));
            Check.Equal("4", string.Join(" ", await ListAsync(Ipc.PostUdsStreamAsync<int, int>("one", 3, scratch.Options))));
        }

        [Test]
        internal static async Task sessions_serve_again_after_every_kind_of_ending()
        {
            using var scratch = new Scratch();
            using var count = Ipc.ListenUdsRequest<int, int>("count", n => CountOrFail(n), scratch.Options);
            for (int round = 0; round < 20; round++)
            {
                Check.Equal(3, Ipc.PostUdsStream<int, int>("count", 3, scratch.Options).Count());
                using (IpcStream<int> left = Ipc.PostUdsStream<int, int>("count", 1_000_000, scratch.Options))
                {
                    Check.Equal(0, left.Next()!.Value.Data);
                }
                Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsStream<int, int>("count", -3, scratch.Options).Count());
                await foreach (int n in Ipc.PostUdsStreamAsync<int, int>("count", 1_000_000, scratch.Options))
                {
                    break;
                }
            }
            Check.True(count.Counters.Connections <= 40, $"{count.Counters.Connections} connections for 80 streams");
        }

        private static async IAsyncEnumerable<int> CountOrFail(int n, [EnumeratorCancellation] CancellationToken token = default)
        {
            await Task.Yield();
            for (int i = 0; i < Math.Abs(n); i++)
            {
                token.ThrowIfCancellationRequested();
                yield return i;
            }
            if (n < 0)
            {
                throw new HandlerException("on purpose");
            }
        }
    }
}
