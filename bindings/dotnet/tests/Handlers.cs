using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    internal static class Handlers
    {
        [Test]
        internal static async Task handler_that_throws_fails_its_caller_alone()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var heard = new ConcurrentQueue<Exception>();
            options.HandlerFailed = exception =>
            {
                heard.Enqueue(exception);
                throw new Exception("a failure while reporting one");
            };
            using var sync = Ipc.ListenUdsRequest<string, string>("sync", data => data == "bad" ? throw new FormatException("no\nsuch\0luck") : data, options);
            using var later = Ipc.ListenUdsRequest<string, string>("later", async data => { await Task.Yield(); return data == "bad" ? throw new FormatException("later") : data; }, options);
            using var before = Ipc.ListenUdsRequest<string, string>("before", (Func<string, Task<string>>)(data => throw new FormatException("before")), options);
            using var cancelled = Ipc.ListenUdsRequest<string, string>("cancelled", data => Task.FromCanceled<string>(new CancellationToken(true)), options);
            IpcException failure = Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("sync", "bad", options));
            Check.Contains("no such luck", failure.Message);
            Check.True(failure.MayHaveBeenHandled, "it was handled");
            Check.Contains("later", (await Check.FailsAsync(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequestAsync<string, string>("later", "bad", options))).Message);
            Check.Contains("before", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("before", "bad", options)).Message);
            Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("cancelled", "bad", options));
            Check.Equal("good", Ipc.PostUdsRequest<string, string>("sync", "good", options));
            Check.Equal("good", Ipc.PostUdsRequest<string, string>("later", "good", options));
            Check.Equal(1L, sync.Counters.Failed);
            Check.Equal(4, heard.Count);
            Check.Equal(3, heard.Count(exception => exception is FormatException));
        }

        [Test]
        internal static void what_a_handler_returns_badly_is_its_failure()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var knot = new BadInput.Knot();
            knot.Next = knot;
            using var nothing = Ipc.ListenUdsRequest<string, string?>("nothing", data => (string?)null, options);
            using var noTask = Ipc.ListenUdsRequest<string, string>("no_task", (Func<string, Task<string>>)(data => null!), options);
            using var circular = Ipc.ListenUdsRequest<string, BadInput.Knot>("circular", data => knot, options);
            using var nan = Ipc.ListenUdsRequest<string, double>("nan", async data => { await Task.Yield(); return double.NaN; }, options);
            using var text = Ipc.ListenUdsRequest<string, IpcMessage>("text", data => IpcMessage.FromJson("{nonsense"), options);
            using var number = Ipc.ListenUdsRequest<int, int>("number", data => data, options);
            using var large = Ipc.ListenUdsRequest<int, byte[]>("large", data => new byte[(64 << 20) + 1], options);
            Check.Equal<string?>(null, Ipc.PostUdsRequest<string, string?>("nothing", "x", options));
            Check.Contains("no task", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("no_task", "x", options)).Message);
            Check.Contains("JSON", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("circular", "x", options)).Message);
            Check.Contains("JSON", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("nan", "x", options)).Message);
            Check.Contains("JSON", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, string>("text", "x", options)).Message);
            Check.Contains("Int32", Check.Fails(IpcStatus.HandlerFailed, () => Ipc.PostUdsRequest<string, int>("number", "x", options)).Message);
            Check.Fails(IpcStatus.TooLarge, () => Ipc.PostUdsRequest<int, byte[]>("large", 1, options));
        }

        [Test]
        internal static void broadcast_handler_that_throws_is_reported_and_the_next_one_is_taken()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var heard = new BlockingCollection<string>();
            options.HandlerFailed = exception => heard.Add(exception.Message);
            using var sync = Ipc.ListenUdsBroadcast<string>("sync", data => throw new Exception(data), options);
            using var later = Ipc.ListenUdsBroadcast<string>("later", async data => { await Task.Yield(); throw new Exception(data); }, options);
            foreach (string channel in new[] { "sync", "later" })
            {
                Ipc.PostUdsBroadcast(channel, "one", options);
                Ipc.PostUdsBroadcast(channel, "two", options);
                Check.Equal(("one", "two"), (heard.Take(), heard.Take()));
            }
            sync.Close();
            later.Close();
            Check.Equal((2L, 2L), (sync.Counters.Failed, later.Counters.Failed));
        }

        [Test]
        internal static async Task listener_closed_inside_its_own_handler_does_not_wait_for_itself()
        {
            using var scratch = new Scratch();
            IpcListener? self = null;
            IpcListener listener = Ipc.ListenUdsRequest<string, string>("self", data =>
            {
                string closing = Check.Fails(IpcStatus.InvalidArgument, () => self!.Close()).Message;
                Check.FailsAsync(IpcStatus.InvalidArgument, () => self!.CloseAsync()).GetAwaiter().GetResult();
                self!.Dispose();
                return closing;
            }, scratch.Options);
            self = listener;
            try
            {
                Check.Contains("own handler", await Ipc.PostUdsRequestAsync<string, string>("self", "x", scratch.Options));
            }
            catch (IpcException cutOff)
            {
                // A listener that is let go of may cut off the answer of that very handler.
                Check.Equal(IpcStatus.ConnectionLost, cutOff.Status);
            }
            Check.Fails(IpcStatus.Closed, () => listener.Counters.ToString());
        }

        [Test]
        internal static async Task answer_after_close_and_dispose_is_dropped_without_harm()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            options.Grace = TimeSpan.FromMilliseconds(1);
            var entered = new TaskCompletionSource<IpcContext>(TaskCreationOptions.RunContinuationsAsynchronously);
            var release = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            Task<string> answer;
            IpcListener listener = Ipc.ListenUdsRequest<string, string>("late", (data, context) => { entered.SetResult(context); return release.Task; }, options);
            answer = Ipc.PostUdsRequestAsync<string, string>("late", "x", options);
            IpcContext kept = await entered.Task;
            await listener.DisposeAsync();
            await Check.FailsAsync(IpcStatus.ConnectionLost, () => answer);
            release.SetResult("too late");
            for (int round = 0; round < 3; round++)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
            Check.True(kept.TimeLeft != null && kept.Peer.ProcessId != null, "a context that was kept can still be asked");
        }

        [Test]
        internal static async Task closing_waits_for_the_answers_of_asynchronous_handlers()
        {
            using var scratch = new Scratch();
            var entered = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            var release = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            IpcListener listener = Ipc.ListenUdsRequest<string, string>("grace", data => { entered.SetResult(true); return release.Task; }, scratch.Options);
            Task<string> answer = Ipc.PostUdsRequestAsync<string, string>("grace", "x", scratch.Options);
            await entered.Task;
            Task closing = listener.CloseAsync();
            release.SetResult("in time");
            Check.Equal("in time", await answer);
            await closing;
            listener.Dispose();
        }
    }
}
