using System;
using System.Threading.Tasks;

namespace SimpleIpc.Examples
{
    /// <summary>A clock publishes three ticks; whoever has subscribed to it gets each of them.</summary>
    internal static class Clock
    {
        internal static async Task RunAsync()
        {
            using IpcListener clock = Ipc.ListenUdsPublish("clock");
            await using IpcAsyncSubscription<int> ticks = await Ipc.SubscribeUdsAsync<int>("clock");
            for (int tick = 1; tick <= 3; tick++)
            {
                clock.Publish(tick, topic: "tick");
            }
            await foreach (IpcEvent<int> tick in ticks)
            {
                Console.WriteLine($"{tick.Topic} {tick.Data}");
                if (tick.Data == 3)
                {
                    break; // which ends the subscription
                }
            }
        }
    }
}
