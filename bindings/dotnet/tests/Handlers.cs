using System;
using System.Collections.Concurrent;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    internal static class Handlers
    {
        [Test]
        internal static async Task listener_closed_inside_its_own_handler_answers_it()
        {
            using var scratch = new Scratch();
            foreach (string how in new[] { "close", "close async", "dispose", "dispose async", "awaited close", "awaited close async", "awaited dispose", "awaited dispose async" })
            {
                IpcListener? self = null;
                async Task<string> Stop(string data)
                {
                    switch (data)
                    {
                        case "close": self!.Close(); break;
                        case "close async": await self!.CloseAsync(); break;
                        case "dispose": self!.Dispose(); break;
                        case "dispose async": await self!.DisposeAsync(); break;
                    }
                    return "stopped";
                }
                async Task<string> Later(string data)
                {
                    await Task.Yield();
                    return await Stop(data.Replace("awaited ", ""));
                }
                IpcOptions options = scratch.Options;
                // Who waited for himself would be cut off after this, and so would his answer.
                options.Grace = TimeSpan.FromMinutes(2);
                using IpcListener listener = how.StartsWith("awaited")
                    ? Ipc.ListenUdsRequest<string, string>("self", Later, options)
                    : Ipc.ListenUdsRequest<string, string>("self", data => Stop(data).GetAwaiter().GetResult(), options);
                self = listener;
                Check.Equal("stopped", await Ipc.PostUdsRequestAsync<string, string>("self", how, options));
                // Closing has begun, and to close again waits for its end; one that is disposed of goes on by itself.
                listener.Close();
                while (Ipc.Channels(scratch.Path).Count > 0)
                {
                    Thread.Yield();
                }
            }
        }

        [Test]
        internal static void broadcast_handler_closes_its_own_listener()
        {
            using var scratch = new Scratch();
            IpcListener? self = null;
            using var closed = new SemaphoreSlim(0);
            using IpcListener listener = Ipc.ListenUdsBroadcast<string>("self", async data => { await Task.Yield(); self!.Close(); closed.Release(); }, scratch.Options);
            self = listener;
            Ipc.PostUdsBroadcast("self", "x", scratch.Options);
            closed.Wait();
            listener.Close();
            Check.Equal(0, Ipc.Channels(scratch.Path).Count);
        }

        [Test]
        internal static async Task close_says_that_a_handler_still_runs_past_the_grace_period()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            options.Grace = TimeSpan.FromMilliseconds(1);
            using var entered = new SemaphoreSlim(0);
            using var release = new SemaphoreSlim(0);
            using var listener = Ipc.ListenUdsRequest<string, string>("slow", data => { entered.Release(); release.Wait(); return data; }, options);
            Task<string> call = Ipc.PostUdsRequestAsync<string, string>("slow", "x", options);
            entered.Wait();
            Check.Fails(IpcStatus.TimedOut, () => listener.Close());
            release.Release();
            await Check.FailsAsync(IpcStatus.ConnectionLost, () => call);
        }

        [Test]
        internal static async Task handlers_hear_that_their_listener_has_cut_them_off()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            options.Grace = TimeSpan.FromMilliseconds(1);
            using var entered = new SemaphoreSlim(0);
            using var heard = new SemaphoreSlim(0);
            async Task<string> Wait(string data, IpcContext context)
            {
                using (context.CancellationToken.Register(() => heard.Release()))
                {
                    entered.Release();
                    await Task.Delay(Timeout.Infinite, context.CancellationToken);
                    return data;
                }
            }
            foreach (IpcListener listener in new[]
            {
                Ipc.ListenUdsRequest<string, string>("cut_off", Wait, options),
                Ipc.ListenUdsRequest<string, string>("cut_off_too", (data, context) => Wait(data, context).GetAwaiter().GetResult(), options),
            })
            {
                Task<string> call = Ipc.PostUdsRequestAsync<string, string>(listener.Channel, "x", options);
                entered.Wait();
                listener.Dispose();
                heard.Wait();
                await Check.FailsAsync(IpcStatus.ConnectionLost, () => call);
            }
        }

        [Test]
        internal static void a_listener_that_has_its_hands_full_says_so()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            var heard = new BlockingCollection<IpcHandlerFailure>();
            options.HandlerFailed = heard.Add;
            options.MaxInFlight = 2;
            var release = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
            using var listener = Ipc.ListenUdsRequest<int, int>("full", n => release.Task, options);
            using IpcClient client = IpcClient.ConnectUds("full", scratch.Options);
            Task<int>[] calls = Enumerable.Range(0, 6).Select(n => client.RequestAsync<int, int>(n)).ToArray();
            IpcHandlerFailure warning = heard.Take();
            Check.Equal(("full", IpcStatus.TooManyConnections, false), (warning.Channel, ((IpcException)warning.Exception).Status, warning.CallerTold));
            // Not again before half of them have ended, which none has.
            Check.Equal(0, heard.Count);
            release.SetResult(7);
            Check.Equal(42, Task.WhenAll(calls).Result.Sum());
        }

        [Test]
        internal static async Task counters_show_what_is_in_flight_and_what_nobody_waits_for()
        {
            using var scratch = new Scratch();
            using var entered = new SemaphoreSlim(0);
            using var gone = new SemaphoreSlim(0);
            var release = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            using var listener = Ipc.ListenUdsRequest<string, string>("counted", (data, context) =>
            {
                context.CancellationToken.Register(() => gone.Release());
                entered.Release();
                return release.Task;
            }, scratch.Options);
            using var source = new CancellationTokenSource();
            Task<string> call = Ipc.PostUdsRequestAsync<string, string>("counted", "x", scratch.Options, source.Token);
            entered.Wait();
            Check.Equal((1L, 0L), (listener.Counters.InFlight, listener.Counters.Abandoned));
            source.Cancel();
            await Check.ThrowsAsync<OperationCanceledException>(() => call);
            gone.Wait();
            // The handler hears of it a moment before it is counted.
            while (listener.Counters.Abandoned != 1)
            {
                Thread.Yield();
            }
            release.SetResult("");
            while (listener.Counters.Abandoned > 0)
            {
                Thread.Yield();
            }
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

        [Test]
        internal static async Task closing_waits_for_asynchronous_handlers_whose_callers_have_left()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            options.Grace = TimeSpan.FromMinutes(4);
            using var entered = new SemaphoreSlim(0);
            using var left = new SemaphoreSlim(0);
            var release = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            async Task<string> Wait(string data, IpcContext context)
            {
                context.CancellationToken.Register(() => left.Release());
                entered.Release();
                await release.Task;
                return data;
            }
            using IpcListener listener = Ipc.ListenUdsRequest<string, string>("left", Wait, options);
            using var leave = new CancellationTokenSource();
            Task<string> call = Ipc.PostUdsRequestAsync<string, string>("left", "x", scratch.Options, leave.Token);
            entered.Wait();
            leave.Cancel();
            await Check.ThrowsAsync<OperationCanceledException>(() => call);
            left.Wait();
            Task closing = listener.CloseAsync();
            while (Ipc.Channels(scratch.Path).Count > 0)
            {
                Thread.Yield();
            }
            // All that the C library waits for is over.
            Check.True(!closing.Wait(TimeSpan.FromMilliseconds(50)), "closing has not waited");
            release.SetResult(true);
            await closing;
        }

        [Test]
        internal static async Task close_says_that_an_asynchronous_handler_still_runs_past_the_grace_period()
        {
            using var scratch = new Scratch();
            IpcOptions options = scratch.Options;
            options.Grace = TimeSpan.FromMilliseconds(1);
            using var entered = new SemaphoreSlim(0);
            var release = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            using IpcListener listener = Ipc.ListenUdsRequest<string, string>("slow", data => { entered.Release(); return release.Task; }, options);
            Task<string> call = Ipc.PostUdsRequestAsync<string, string>("slow", "x", options);
            entered.Wait();
            Check.Fails(IpcStatus.TimedOut, () => listener.Close());
            await Check.FailsAsync(IpcStatus.ConnectionLost, () => call);
            release.SetResult("too late");
            listener.Close();
        }
    }
}
