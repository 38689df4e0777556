using System;
using System.Collections.Generic;
using System.Threading.Tasks;

namespace SimpleIpc.Examples.Streams
{
    /// <summary>Both sides talk, on one stream.</summary>
    internal static class Chat
    {
        internal static async Task RunAsync()
        {
            using IpcListener listener = Ipc.ListenUdsRequest<string, string>("chat", Talk);
            await using IpcStream<string> chat = Ipc.PostUdsStreamAsync<string, string>("chat", "Ada");
            var lines = new Queue<string>(new[] { "how are you?", "see you" });
            await foreach (string answer in chat)
            {
                Console.WriteLine(answer);
                if (lines.Count > 0)
                {
                    await chat.SendAsync(lines.Dequeue());
                }
                else
                {
                    chat.End();
                }
            }
        }

        private static async IAsyncEnumerable<string> Talk(string name, IpcContext context)
        {
            yield return $"hello, {name}";
            await foreach (string line in context.Items<string>())
            {
                yield return $"you said: {line}";
            }
            yield return "goodbye";
        }
    }
}
