using System;

namespace SimpleIpc.Examples
{
    /// <summary>A client streams 1000 one-way messages and makes sure that they have arrived; the listener counts them.</summary>
    internal static class OneWay
    {
        internal static void Run()
        {
            int count = 0;
            // Messages of one session come one after another: the handler needs no lock.
            using IpcListener listener = Ipc.ListenUdsBroadcast<int>("one_way", number => { count++; });
            using IpcClient client = IpcClient.ConnectUds("one_way");
            for (int number = 0; number < 1000; number++)
            {
                client.Broadcast(number);
            }
            client.Flush();
            Console.WriteLine(count);
        }
    }
}
