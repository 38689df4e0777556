using System;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    internal static class Cancelling
    {
        [Test]
        internal static async Task token_cancelled_before_the_call_sends_nothing()
        {
            using var scratch = new Scratch();
            using var listener = Ipc.ListenUdsRequest<string, string>("early", data => data, scratch.Options);
            using IpcClient client = IpcClient.ConnectUds("early", scratch.Options);
            var token = new CancellationToken(true);
            foreach (Func<Task> call in new Func<Task>[]
            {
                () => Ipc.PostUdsRequestAsync<string, string>("early", "x", scratch.Options, token),
                () => Ipc.PostUdsBroadcastAsync("early", "x", scratch.Options, token),
                () => Ipc.PostIpRequestAsync<string, string>(1, "x", scratch.Options, token),
                () => Ipc.PostIpBroadcastAsync(1, "x", scratch.Options, token),
                () => Ipc.ListenUdsRequestAsync<string, string>("other", data => data, scratch.Options, token),
                () => client.RequestAsync<string, string>("x", null, token),
                () => client.BroadcastAsync("x", token),
                () => client.FlushAsync(token),
                () => client.PingAsync(token),
                () => IpcClient.ConnectUdsAsync("early", scratch.Options, token),
            })
            {
                Task task = call();
                Check.Equal(token, (await Check.ThrowsAsync<OperationCanceledException>(() => task)).CancellationToken);
                Check.True(task.IsCanceled, "the task is cancelled, not faulted");
            }
            foreach (Action call in new Action[]
            {
                () => Ipc.PostUdsRequest<string, string>("early", "x", scratch.Options, token),
                () => Ipc.PostUdsBroadcast("early", "x", scratch.Options, token),
                () => Ipc.PostIpRequest<string, string>(1, "x", scratch.Options, token),
                () => Ipc.PostIpBroadcast(1, "x", scratch.Options, token),
                () => client.Request<string, string>("x", null, token),
                () => client.Flush(token),
                () => client.Ping(token),
                () => client.Close(token),
                () => IpcClient.ConnectUds("early", scratch.Options, token),
                () => IpcClient.ConnectIp(1, scratch.Options, token),
                () => IpcClient.ConnectPath("/nowhere", scratch.Options, token),
            })
            {
                Check.Equal(token, Check.Throws<OperationCanceledException>(call).CancellationToken);
            }
            Check.Equal(0L, listener.Counters.Messages);
        }

        [Test]
        internal static async Task cancelled_call_ends_and_its_handler_hears_of_it()
        {
            using var scratch = new Scratch();
            foreach (bool blocking in new[] { false, true })
            {
                var entered = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
                var heard = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
                async Task<string> Later(string data, IpcContext context)
                {
                    context.CancellationToken.Register(() => heard.SetResult(true));
                    entered.SetResult(true);
                    await Task.Delay(Timeout.Infinite, context.CancellationToken);
                    return "never";
                }
                using IpcListener listener = blocking
                    ? Ipc.ListenUdsRequest<string, string>("cancel", (data, context) => Later(data, context).GetAwaiter().GetResult(), scratch.Options)
                    : Ipc.ListenUdsRequest<string, string>("cancel", Later, scratch.Options);
                using var source = new CancellationTokenSource();
                Task<string> call = Ipc.PostUdsRequestAsync<string, string>("cancel", "x", scratch.Options, source.Token);
                await entered.Task;
                source.Cancel();
                OperationCanceledException cancelled = await Check.ThrowsAsync<OperationCanceledException>(() => call);
                Check.Equal(source.Token, cancelled.CancellationToken);
                Check.True(call.IsCanceled, "the task is cancelled");
                Check.True(((IpcException)cancelled.InnerException!).MayHaveBeenHandled, "it was handled");
                Check.True(await heard.Task, "the handler heard");
            }
        }

        [Test]
        internal static void blocking_calls_are_given_up_from_another_thread()
        {
            using var scratch = new Scratch();
            using var entered = new SemaphoreSlim(0);
            using var heard = new SemaphoreSlim(0);
            using var listener = Ipc.ListenUdsRequest<string, string>("blocking", async (data, context) =>
            {
                context.CancellationToken.Register(() => heard.Release());
                entered.Release();
                await Task.Delay(Timeout.Infinite, context.CancellationToken);
                return data;
            }, scratch.Options);
            using IpcClient client = IpcClient.ConnectUds("blocking", scratch.Options);
            IpcOptions patient = scratch.Options;
            patient.Wait = TimeSpan.FromMinutes(5);
            foreach (Action<CancellationToken> call in new Action<CancellationToken>[]
            {
                token => Ipc.PostUdsRequest<string, string>("blocking", "x", scratch.Options, token),
                token => client.Request<string, string>("x", null, token),
                token => client.Request<string, string>("x", Timeout.InfiniteTimeSpan, token),
            })
            {
                using var source = new CancellationTokenSource();
                Task<OperationCanceledException> ended = Task.Factory.StartNew(() => Check.Throws<OperationCanceledException>(() => call(source.Token)), TaskCreationOptions.LongRunning);
                entered.Wait();
                source.Cancel();
                Check.Equal(source.Token, ended.Result.CancellationToken);
                Check.True(((IpcException)ended.Result.InnerException!).MayHaveBeenHandled, "it was handled");
                heard.Wait();
            }
            // These have nobody who could say that they have begun; one that is cancelled before is held by another test.
            using var release = new SemaphoreSlim(0);
            using var broadcasts = Ipc.ListenUdsBroadcast<string>("stuck", data => { entered.Release(); release.Wait(); }, scratch.Options);
            using IpcClient caster = IpcClient.ConnectUds("stuck", scratch.Options);
            caster.Broadcast("x");
            entered.Wait();
            foreach (Action<CancellationToken> call in new Action<CancellationToken>[]
            {
                token => caster.Flush(token),
                token => caster.Flush(TimeSpan.FromMinutes(5), token),
                token => caster.Close(token),
                token => Ipc.PostUdsRequest<string, string>("nobody", "x", patient, token),
                token => Ipc.PostUdsBroadcast("nobody", "x", patient, token),
                token => IpcClient.ConnectUds("nobody", patient, token),
            })
            {
                using var source = new CancellationTokenSource();
                using var begun = new SemaphoreSlim(0);
                Task<OperationCanceledException> ended = Task.Factory.StartNew(() => Check.Throws<OperationCanceledException>(() => { begun.Release(); call(source.Token); }), TaskCreationOptions.LongRunning);
                begun.Wait();
                source.Cancel();
                Check.Equal(source.Token, ended.Result.CancellationToken);
            }
            release.Release();
        }

        [Test]
        internal static async Task flush_ping_and_close_take_a_time_of_their_own()
        {
            using var scratch = new Scratch();
            using var entered = new SemaphoreSlim(0);
            using var release = new SemaphoreSlim(0);
            using var listener = Ipc.ListenUdsBroadcast<string>("stuck", data => { entered.Release(); release.Wait(); }, scratch.Options);
            IpcOptions patient = scratch.Options;
            patient.Timeout = Timeout.InfiniteTimeSpan;
            TimeSpan brief = TimeSpan.FromMilliseconds(30);
            using (IpcClient client = IpcClient.ConnectUds("stuck", patient))
            {
                Check.True(client.Ping(Timeout.InfiniteTimeSpan) > TimeSpan.Zero, "ping");
                Check.True(await client.PingAsync(TimeSpan.MaxValue) > TimeSpan.Zero, "ping");
                client.Flush(Timeout.InfiniteTimeSpan);
                await client.FlushAsync(TimeSpan.MaxValue);
            }
            // What was not confirmed is told once: a client for each.
            foreach (Func<IpcClient, Task> call in new Func<IpcClient, Task>[]
            {
                client => { client.Flush(brief); return Task.CompletedTask; },
                client => client.FlushAsync(brief),
                client => { client.Close(brief); return Task.CompletedTask; },
                client => client.CloseAsync(brief),
            })
            {
                using IpcClient client = IpcClient.ConnectUds("stuck", patient);
                // The first may count as taken while its handler still runs; the second cannot.
                client.Broadcast("x");
                client.Broadcast("y");
                entered.Wait();
                await Check.FailsAsync(IpcStatus.TimedOut, () => call(client));
                release.Release(2);
                entered.Wait();
            }
        }

        [Test]
        internal static void for_ever_can_be_said_of_every_time()
        {
            using var scratch = new Scratch();
            foreach (TimeSpan time in new[] { Timeout.InfiniteTimeSpan, TimeSpan.MaxValue })
            {
                IpcOptions options = scratch.Options;
                options.Timeout = options.Wait = options.Grace = options.HelloTimeout = options.StallTimeout = options.CheckInterval = time;
                using var listener = Ipc.ListenUdsRequest<string, string>("ever", data => data, options);
                Check.Equal("x", Ipc.PostUdsRequest<string, string>("ever", "x", options));
                using IpcClient client = IpcClient.ConnectUds("ever", options);
                Check.Equal("y", client.Request<string, string>("y", time));
            }
        }

        [Test]
        internal static async Task timeout_is_an_error_and_the_handler_hears_of_it()
        {
            using var scratch = new Scratch();
            var heard = new TaskCompletionSource<TimeSpan?>(TaskCreationOptions.RunContinuationsAsynchronously);
            using var listener = Ipc.ListenUdsRequest<string, string>("slow", async (data, context) =>
            {
                try
                {
                    await Task.Delay(Timeout.Infinite, context.CancellationToken);
                }
                finally
                {
                    heard.TrySetResult(context.TimeLeft);
                }
                return "never";
            }, scratch.Options);
            IpcOptions brief = scratch.Options;
            brief.Timeout = TimeSpan.FromMilliseconds(50);
            Check.True(Check.Fails(IpcStatus.TimedOut, () => Ipc.PostUdsRequest<string, string>("slow", "x", brief)).MayHaveBeenHandled, "it may have been");
            Check.True(await heard.Task <= TimeSpan.FromMilliseconds(50), "the time that is left");
            await Check.FailsAsync(IpcStatus.TimedOut, () => Ipc.PostUdsRequestAsync<string, string>("slow", "x", brief));
            using IpcClient client = IpcClient.ConnectUds("slow", scratch.Options);
            Check.Fails(IpcStatus.TimedOut, () => client.Request<string, string>("x", TimeSpan.FromMilliseconds(50)));
            await Check.FailsAsync(IpcStatus.TimedOut, () => client.RequestAsync<string, string>("x", TimeSpan.FromTicks(1)));
        }

        [Test]
        internal static async Task cancel_that_races_the_answer_gives_one_of_the_two()
        {
            using var scratch = new Scratch();
            using var listener = Ipc.ListenUdsRequest<int, int>("race", data => data, scratch.Options);
            await using IpcClient client = await IpcClient.ConnectUdsAsync("race", scratch.Options);
            int answered = 0, cancelled = 0;
            for (int n = 0; n < 500; n++)
            {
                using var source = new CancellationTokenSource();
                Task<int> call = client.RequestAsync<int, int>(n, null, source.Token);
                Thread.SpinWait(n * 50);
                source.Cancel();
                try
                {
                    Check.Equal(n, await call);
                    answered++;
                }
                catch (OperationCanceledException)
                {
                    cancelled++;
                }
            }
            Check.Equal(500, answered + cancelled);
            Check.Equal(7, await client.RequestAsync<int, int>(7));
        }

        [Test]
        internal static async Task waiting_for_a_listener_can_be_given_up()
        {
            using var scratch = new Scratch();
            IpcOptions patient = scratch.Options;
            patient.Wait = TimeSpan.FromHours(1);
            using var source = new CancellationTokenSource();
            Task<string> post = Ipc.PostUdsRequestAsync<string, string>("nobody", "x", patient, source.Token);
            source.Cancel();
            await Check.ThrowsAsync<OperationCanceledException>(() => post);

            // The connecting client goes on without us, and is let go of when it has connected.
            using var other = new CancellationTokenSource();
            Task<IpcClient> connecting = IpcClient.ConnectUdsAsync("later", patient, other.Token);
            other.Cancel();
            await Check.ThrowsAsync<OperationCanceledException>(() => connecting);
            using var listener = Ipc.ListenUdsRequest<string, string>("later", data => data, scratch.Options);
            Check.Equal("x", Ipc.PostUdsRequest<string, string>("later", "x", scratch.Options));
        }
    }
}
