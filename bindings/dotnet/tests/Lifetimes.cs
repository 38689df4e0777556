using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Tests
{
    internal static class Lifetimes
    {
        internal static void Collect()
        {
            for (int round = 0; round < 3; round++)
            {
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, true, true);
                GC.WaitForPendingFinalizers();
            }
        }

        [Test]
        internal static async Task garbage_collection_during_calls_harms_none()
        {
            using var scratch = new Scratch();
            using var listener = Ipc.ListenUdsRequest<byte[], byte[]>("gc", async data => { await Task.Yield(); return data; }, scratch.Options);
            using IpcClient client = IpcClient.ConnectUds("gc", scratch.Options);
            using var done = new CancellationTokenSource();
            Task collecting = Task.Run(() =>
            {
                while (!done.IsCancellationRequested)
                {
                    Collect();
                }
            });
            await Task.WhenAll(Enumerable.Range(0, 4).Select(worker => Task.Run(async () =>
            {
                for (int n = 0; n < 250; n++)
                {
                    byte[] data = { (byte)worker, (byte)n, 3 };
                    byte[] reply = (n % 3) switch
                    {
                        0 => client.Request<byte[], byte[]>(data),
                        1 => await client.RequestAsync<byte[], byte[]>(data),
                        _ => await Ipc.PostUdsRequestAsync<byte[], byte[]>("gc", data, scratch.Options),
                    };
                    Check.True(reply.SequenceEqual(data), "its own answer");
                }
            })));
            done.Cancel();
            await collecting;
        }

        [Test]
        internal static void listener_and_client_that_nobody_keeps_are_let_go_of()
        {
            using var scratch = new Scratch();
            WeakReference handler = Abandon(scratch.Options);
            // The collector and the library let go in their own time; a test that fails waits for the watchdog here.
            while (handler.IsAlive || Ipc.Channels(scratch.Path).Count > 0)
            {
                Collect();
                Thread.Yield();
            }
            using var next = Ipc.ListenUdsRequest<string, string>("abandoned", data => data, scratch.Options);
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static WeakReference Abandon(IpcOptions options)
        {
            var kept = new object();
            IpcListener listener = Ipc.ListenUdsRequest<string, string>("abandoned", data => data + kept.GetHashCode(), options);
            IpcClient client = IpcClient.ConnectUds("abandoned", options);
            Check.True(client.Request<string, string>("x").StartsWith("x"), "it works");
            GC.KeepAlive(listener);
            return new WeakReference(kept);
        }

        [Test]
        internal static void handler_is_let_go_of_after_dispose_and_after_a_listen_that_failed()
        {
            using var scratch = new Scratch();
            (WeakReference Disposed, WeakReference Failed) handlers = ListenTwice(scratch.Options);
            while (handlers.Disposed.IsAlive || handlers.Failed.IsAlive)
            {
                Collect();
                Thread.Yield();
            }
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static (WeakReference, WeakReference) ListenTwice(IpcOptions options)
        {
            object first = new object(), second = new object();
            using (Ipc.ListenUdsRequest<string, string>("twice", data => data + first.GetHashCode(), options))
            {
                Check.Fails(IpcStatus.InUse, () => Ipc.ListenUdsRequest<string, string>("twice", data => data + second.GetHashCode(), options));
            }
            return (new WeakReference(first), new WeakReference(second));
        }

        [Test]
        internal static void handler_that_never_answers_is_answered_for_when_it_is_collected()
        {
            using var scratch = new Scratch();
            using var listener = Ipc.ListenUdsRequest<string, string>("never", data => new TaskCompletionSource<string>().Task, scratch.Options);
            Task<string> call = Ipc.PostUdsRequestAsync<string, string>("never", "x", scratch.Options);
            while (!call.IsCompleted)
            {
                Collect();
                Thread.Yield();
            }
            Check.Fails(IpcStatus.HandlerFailed, () => call.GetAwaiter().GetResult());
        }

        [Test]
        internal static async Task client_that_is_closed_or_disposed_of_ends_its_calls_and_their_handlers_hear_of_it()
        {
            using var scratch = new Scratch();
            using var entered = new SemaphoreSlim(0);
            using var heard = new SemaphoreSlim(0);
            using var listener = Ipc.ListenUdsRequest<string, string>("under_way", async (data, context) =>
            {
                context.CancellationToken.Register(() => heard.Release());
                entered.Release();
                await Task.Delay(Timeout.Infinite, context.CancellationToken);
                return data;
            }, scratch.Options);
            foreach (Func<IpcClient, Task> end in new Func<IpcClient, Task>[]
            {
                client => { client.Close(); return Task.CompletedTask; },
                client => { client.Close(TimeSpan.FromMinutes(1)); return Task.CompletedTask; },
                client => client.CloseAsync(),
                client => client.CloseAsync(Timeout.InfiniteTimeSpan),
                client => { client.Dispose(); return Task.CompletedTask; },
                client => client.DisposeAsync().AsTask(),
            })
            {
                IpcClient client = IpcClient.ConnectUds("under_way", scratch.Options);
                Task<string> blocking = Task.Factory.StartNew(() => client.Request<string, string>("x"), TaskCreationOptions.LongRunning);
                using var source = new CancellationTokenSource();
                Task<string> cancellable = Task.Factory.StartNew(() => client.Request<string, string>("y", null, source.Token), TaskCreationOptions.LongRunning);
                Task<string> later = client.RequestAsync<string, string>("z");
                for (int call = 0; call < 3; call++)
                {
                    entered.Wait();
                }
                await end(client);
                foreach (Task<string> call in new[] { blocking, cancellable, later })
                {
                    Check.True((await Check.FailsAsync(IpcStatus.Cancelled, () => call)).MayHaveBeenHandled, "it may have been");
                    heard.Wait();
                }
                Check.Fails(IpcStatus.Closed, () => client.Request<string, string>("x"));
                client.Dispose();
            }
        }

        [Test]
        internal static void no_synchronization_context_is_captured()
        {
            using var scratch = new Scratch();
            var thread = new Thread(() =>
            {
                // A context like that of a window or of classic ASP.NET, whose only thread is about to block.
                SynchronizationContext.SetSynchronizationContext(new Stuck());
                using IpcListener listener = Ipc.ListenUdsRequestAsync<string, string>("context", async data => { await Task.Yield(); return data; }, scratch.Options).Result;
                using IpcClient client = IpcClient.ConnectUdsAsync("context", scratch.Options).Result;
                Check.Equal("a", client.RequestAsync<string, string>("a").Result);
                Check.Equal("b", Ipc.PostUdsRequestAsync<string, string>("context", "b", scratch.Options).Result);
                Check.True(client.PingAsync().Result > TimeSpan.Zero, "ping");
                listener.CloseAsync().Wait();
            });
            thread.Start();
            thread.Join();
            Check.Equal(0, Stuck.Posted);
        }

        private sealed class Stuck : SynchronizationContext
        {
            internal static int Posted;

            public override void Post(SendOrPostCallback callback, object? state) => Interlocked.Increment(ref Posted);
        }

        [Test]
        internal static async Task hundred_thousand_calls_leave_memory_and_descriptors_flat()
        {
            using var scratch = new Scratch();
            // In a process of its own, whose memory no other test uses.
            using var child = new Child("flat", null, scratch.Path);
            (int code, string output, string errors) = await child.EndAsync();
            Check.Equal((0, ""), (code, errors));
            int[] grown = output.Split(' ').Select(int.Parse).ToArray();
            // Up to 16 idle connections are kept, each with two ends here; streams that were left need several at once now and then.
            Check.True(grown[0] <= 5 + 2 * 16, $"{grown[0]} descriptors more");
            // 100,000 leaks of a message would be more, were each of 400 bytes only.
            Check.True(grown[1] < 40, $"{grown[1]} MiB more");
        }
    }
}
