using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    /// <summary>What callers, and the listener's own program, hear of handlers that fail.</summary>
    internal static class Failing
    {
        [Test]
        internal static async Task handler_that_throws_fails_its_caller_alone()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var heard = new ConcurrentQueue<IpcHandlerFailure>();
            options.HandlerFailed = failure =>
            {
                heard.Enqueue(failure);
                throw new Exception("a failure while reporting one");
            };
            using var sync = Ipc.ListenUdsRequest<string, string>("sync", data => data == "bad" ? throw new FormatException("no\nsuch\0luck") : data, options);
            using var later = Ipc.ListenUdsRequest<string, string>("later", async data => { await Task.Yield(); return data == "bad" ? throw new FormatException("later") : data; }, options);
            using var before = Ipc.ListenUdsRequest<string, string>("before", (Func<string, Task<string>>)(data => throw new FormatException("before")), options);
            using var cancelled = Ipc.ListenUdsRequest<string, string>("cancelled", data => Task.FromCanceled<string>(new CancellationToken(true)), options);
            IpcException failure = Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("sync", "bad", options));
            Check.Equal("FormatException: no such luck", failure.Message);
            Check.True(failure.MayHaveBeenHandled, "it was handled");
            Check.True(failure.HandlerCode is null && failure.HandlerData is null, "no code and no data");
            Check.Equal("FormatException: later", (await Check.FailsAsync(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequestAsync<string, string>("later", "bad", options))).Message);
            Check.Equal("FormatException: before", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("before", "bad", options)).Message);
            Check.Contains("TaskCanceledException: ", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("cancelled", "bad", options)).Message);
            Check.Equal("good", Ipc.PostUdsRequest<string, string>("sync", "good", options));
            Check.Equal("good", Ipc.PostUdsRequest<string, string>("later", "good", options));
            Check.Equal(1L, sync.Counters.Failed);
            sync.Close();
            later.Close();
            before.Close();
            cancelled.Close();
            // Each once, with who it was.
            Check.Equal("before cancelled later sync", string.Join(" ", heard.Select(it => it.Channel).OrderBy(it => it, StringComparer.Ordinal)));
            Check.True(heard.All(it => it.CallerTold && it.Handler.Contains(nameof(handler_that_throws_fails_its_caller_alone))), "told, by this method");
            Check.Equal(3, heard.Count(it => it.Exception is FormatException));
        }

        private sealed class Silent : Exception
        {
            public override string Message => throw new InvalidOperationException("no text");

            public override string ToString() => throw new InvalidOperationException("no text");
        }

        private sealed class Wordless : Exception
        {
            public override string Message => null!;
        }

        [Test]
        internal static async Task no_exception_leaves_its_caller_without_an_answer()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            options.HandlerFailed = failure => throw failure.Exception;
            var thrown = new (Func<Exception> Make, string Text)[]
            {
                (() => new Silent(), "Silent"),
                (() => new Wordless(), "Wordless"),
                (() => new Exception("a\ud800b\u0085c\td\r\ne"), "Exception: a\ufffdb c d e"),
                (() => new KeyNotFoundException(""), "KeyNotFoundException"),
                (() => new AggregateException(new FormatException("inside")), "FormatException: inside"),
                (() => new TargetInvocationException(new FormatException("inside")), "FormatException: inside"),
                (() => new Exception(new string('x', 1 << 20)), "Exception: xxx"),
                (() => new HandlerException("a\nb", "two\nwords", new { At = new byte[1] }), "a b (without its data: data.at: System.Byte[] inside JSON"),
            };
            using var sync = Ipc.ListenUdsRequest<int, int>("sync", handler: n => throw thrown[n].Make(), options: options);
            using var later = Ipc.ListenUdsRequest<int, int>("later", async n => { await Task.Yield(); throw thrown[n].Make(); }, options);
            for (int n = 0; n < thrown.Length; n++)
            {
                foreach (string channel in new[] { "sync", "later" })
                {
                    IpcException failure = await Check.FailsAsync(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequestAsync<int, int>(channel, n, options));
                    Check.True(failure.Message.StartsWith(thrown[n].Text), $"{n}: {failure.Message.Substring(0, Math.Min(failure.Message.Length, 100))}");
                }
            }
        }

        [Test]
        internal static async Task handler_fails_on_purpose_with_a_code_and_data()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            using var listener = Ipc.ListenUdsRequest<string, string>("shop", handler: data => throw new HandlerException("sold out", "out_of_stock", new { Left = 0, Item = data }), options: options);
            using IpcClient client = IpcClient.ConnectUds("shop", options);
            foreach (IpcException failure in new[]
            {
                Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("shop", "ä", options)),
                Check.Fails(IpcStatus.HandlerFailed, () => client.Request<string, string>("ä")),
                await Check.FailsAsync(IpcStatus.HandlerFailed, () => client.RequestAsync<string, string>("ä")),
            })
            {
                Check.Equal(("sold out", "out_of_stock"), (failure.Message, failure.HandlerCode!));
                Check.Equal("{\"left\":0,\"item\":\"ä\"}", failure.HandlerData.ToString());
            }
        }

        public sealed class Order
        {
            public int Count { get; set; }
        }

        [Test]
        internal static void body_that_the_handler_does_not_take_is_refused_and_not_handled()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var heard = new BlockingCollection<IpcHandlerFailure>();
            options.HandlerFailed = heard.Add;
            int called = 0;
            using var requests = Ipc.ListenUdsRequest<Order, int>("requests", order => { called++; return order.Count; }, options);
            using var bytes = Ipc.ListenUdsRequest<byte[], int>("bytes", data => data.Length, options);
            using var broadcasts = Ipc.ListenUdsBroadcast<Order>("broadcasts", order => { called++; }, options);
            IpcException unfit = Check.Fails(IpcStatus.InvalidBody, () => Ipc.PostUdsRequest<IpcMessage, int>("requests", IpcMessage.FromJson("{\"count\":\"x\"}"), options));
            Check.True(!unfit.MayHaveBeenHandled, "it was not handled");
            Check.Contains("the listener on channel \"requests\" cannot read the body as SimpleIpc.Tests.Failing+Order: data.count: ", unfit.Message);
            Check.Contains("it is bytes", Check.Fails(IpcStatus.InvalidBody, () => Ipc.PostUdsRequest<byte[], int>("requests", new byte[1], options)).Message);
            Check.Contains("it is JSON", Check.Fails(IpcStatus.InvalidBody, () => Ipc.PostUdsRequest<string, int>("bytes", "x", options)).Message);
            Check.Equal(0, heard.Count);
            using (IpcClient client = IpcClient.ConnectUds("broadcasts", options))
            {
                client.Broadcast("no order");
                try
                {
                    client.Flush();
                }
                catch (IpcException refused)
                {
                    Check.Equal(IpcStatus.InvalidBody, refused.Status);
                }
            }
            IpcHandlerFailure failure = heard.Take();
            Check.Equal(("broadcasts", IpcStatus.InvalidBody, false), (failure.Channel, ((IpcException)failure.Exception).Status, failure.CallerTold));
            Check.Equal(0, called);
        }

        [Test]
        internal static void lambda_that_only_throws_says_by_a_name_which_form_it_is()
        {
            using var scratch = new Scratch();
            using var sync = Ipc.ListenUdsRequest<string, string>("sync", handler: data => throw new Exception("now"), options: scratch.Options);
            using var later = Ipc.ListenUdsRequest<string, string>("later", asyncHandler: data => throw new Exception("later"), options: scratch.Options);
            using var context = Ipc.ListenIpRequest<string, string>(0, handler: (data, context) => throw new Exception("port"), options: scratch.Options);
            Check.Equal("Exception: now", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("sync", "x", scratch.Options)).Message);
            Check.Equal("Exception: later", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("later", "x", scratch.Options)).Message);
            Check.Equal("Exception: port", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostIpRequest<string, string>(context.Port!.Value, "x", scratch.Options)).Message);
        }

        [Test]
        internal static void what_a_handler_returns_badly_is_its_failure()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var heard = new ConcurrentQueue<IpcHandlerFailure>();
            options.HandlerFailed = heard.Enqueue;
            var knot = new BadInput.Knot();
            knot.Next = knot;
            using var nothing = Ipc.ListenUdsRequest<string, string?>("nothing", data => (string?)null, options);
            using var noTask = Ipc.ListenUdsRequest<string, string>("no_task", (Func<string, Task<string>>)(data => null!), options);
            using var circular = Ipc.ListenUdsRequest<string, BadInput.Knot>("circular", data => knot, options);
            using var nan = Ipc.ListenUdsRequest<string, double>("nan", async data => { await Task.Yield(); return double.NaN; }, options);
            using var text = Ipc.ListenUdsRequest<string, IpcMessage>("text", data => IpcMessage.FromJson("{nonsense"), options);
            using var large = Ipc.ListenUdsRequest<int, byte[]>("large", data => new byte[(64 << 20) + 1], options);
            Check.Equal<string?>(null, Ipc.PostUdsRequest<string, string?>("nothing", "x", options));
            Check.Contains("no task", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("no_task", "x", options)).Message);
            Check.Contains("JSON", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("circular", "x", options)).Message);
            Check.Contains("JSON", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("nan", "x", options)).Message);
            Check.Contains("JSON", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("text", "x", options)).Message);
            Check.Fails(IpcStatus.TooLarge, () => Ipc.PostUdsRequest<int, byte[]>("large", 1, options));
            large.Close();
            text.Close();
            Check.Equal("InvalidJson TooLarge", string.Join(" ", heard.Where(it => it.Channel == "text" || it.Channel == "large").Select(it => ((IpcException)it.Exception).Status).OrderBy(it => it)));
            Check.True(heard.All(it => it.CallerTold), "the callers are told");
        }

        [Test]
        internal static void broadcast_handler_that_throws_is_reported_and_the_next_one_is_taken()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var heard = new BlockingCollection<string>();
            options.HandlerFailed = failure => heard.Add($"{failure.Channel} {failure.Exception.Message} {failure.CallerTold}");
            using var sync = Ipc.ListenUdsBroadcast<string>("sync", data => throw new Exception(data), options);
            using var later = Ipc.ListenUdsBroadcast<string>("later", async data => { await Task.Yield(); throw new Exception(data); }, options);
            foreach (string channel in new[] { "sync", "later" })
            {
                Ipc.PostUdsBroadcast(channel, "one", options);
                Ipc.PostUdsBroadcast(channel, "two", options);
                Check.Equal(($"{channel} one False", $"{channel} two False"), (heard.Take(), heard.Take()));
            }
            sync.Close();
            later.Close();
            Check.Equal((2L, 2L), (sync.Counters.Failed, later.Counters.Failed));
            Check.Equal(0, heard.Count);
        }

        /// <summary>In a process of its own: fails a broadcast, a request, and a request whose caller has given up.</summary>
        internal static int FailUnheard(string directory)
        {
            var options = new IpcOptions { Directory = directory };
            using var entered = new SemaphoreSlim(0);
            using var gone = new SemaphoreSlim(0);
            using IpcListener broadcasts = Ipc.ListenUdsBroadcast<string>("broadcasts", Broadcasts, options);
            using IpcListener requests = Ipc.ListenUdsRequest<string, string>("requests", handler: data => throw new Exception("heard"), options: options);
            using IpcListener late = Ipc.ListenUdsRequest<string, string>(
                "late",
                async (data, context) =>
                {
                    entered.Release();
                    try
                    {
                        await Task.Delay(Timeout.Infinite, context.CancellationToken);
                    }
                    catch (OperationCanceledException) when (data == "fail")
                    {
                        throw new Exception("too late");
                    }
                    finally
                    {
                        gone.Release();
                    }
                    return "";
                },
                options);
            Ipc.PostUdsBroadcast("broadcasts", "x", options);
            Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("requests", "x", options));
            foreach (string data in new[] { "fail", "give up" })
            {
                using var source = new CancellationTokenSource();
                Task<string> call = Ipc.PostUdsRequestAsync<string, string>("late", data, options, source.Token);
                entered.Wait();
                source.Cancel();
                Check.ThrowsAsync<OperationCanceledException>(() => call).GetAwaiter().GetResult();
                gone.Wait();
            }
            late.Close();
            return 0;
        }

        private static void Broadcasts(string data) => throw new KeyNotFoundException("no\nsuch");

        [Test]
        internal static async Task failure_that_no_caller_hears_of_is_one_line_on_standard_error()
        {
            using var scratch = new Scratch();
            using var child = new Child("fail_unheard", null, scratch.Path);
            (int code, string output, string errors) = await child.EndAsync();
            Check.Equal((0, ""), (code, output));
            string[] lines = errors.Split('\n');
            Check.Equal("simple_ipc: the handler SimpleIpc.Tests.Failing.Broadcasts of channel \"broadcasts\" failed: KeyNotFoundException: no such", lines[0]);
            Check.Contains(" of channel \"late\" failed: Exception: too late", lines[1]);
            Check.Equal(2, lines.Length);
        }

        /// <summary>Listens and posts once.</summary>
        internal static int Watched(string directory)
        {
            var options = new IpcOptions { Directory = directory };
            using IpcListener listener = Ipc.ListenUdsRequest<int, int>("watched", data => data, options);
            Ipc.PostUdsRequest<int, int>("watched", 1, options);
            listener.Close();
            return 0;
        }

        [Test]
        internal static async Task variable_for_logs_shows_what_the_library_does()
        {
            using var scratch = new Scratch();
            var environment = new Dictionary<string, string> { ["SIMPLE_IPC_LOG"] = "debug" };
            using var child = new Child("watched", environment, scratch.Path);
            (int code, string output, string errors) = await child.EndAsync();
            Check.Equal((0, ""), (code, output));
            Check.Contains("info: listening channel=\"watched\"", errors);
            Check.Contains("debug: connected channel=\"watched\"", errors);
            Check.Contains("info: closed channel=\"watched\"", errors);
        }
    }
}
