using System;
using System.Threading.Tasks;

namespace SimpleIpc.Examples.Streams
{
    /// <summary>Bytes go up, and one answer comes back. The sender waits whenever the receiver falls behind.</summary>
    internal static class Upload
    {
        internal static async Task RunAsync()
        {
            using IpcListener store = Ipc.ListenUdsRequest<string, string>("upload", Store);
            await using IpcStream<string> upload = Ipc.PostUdsStreamAsync<string, string>("upload", "a film");
            for (int chunk = 0; chunk < 100; chunk++)
            {
                await upload.SendAsync(new byte[64 << 10]);
            }
            upload.End();
            if (await upload.NextAsync() is IpcItem<string> answer)
            {
                Console.WriteLine(answer.Data);
            }
        }

        private static async Task<string> Store(string name, IpcContext context)
        {
            int chunks = 0, bytes = 0;
            await foreach (byte[] chunk in context.Items<byte[]>())
            {
                chunks++;
                bytes += chunk.Length;
            }
            return $"{name}: {chunks} chunks, {bytes} bytes";
        }
    }
}
