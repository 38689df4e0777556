using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Linq;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Bench
{
    /// <summary>
    /// One side of a measurement in .NET: <c>serve KIND ADDRESS</c>, <c>measure KIND ADDRESS WHAT SIZE SECONDS</c>. README.md
    /// in the folder above says what is measured. KIND is simple-ipc, whose requests go to a second channel, or socket.
    /// </summary>
    static class Bench
    {
        static readonly byte[] Question = Encoding.ASCII.GetBytes("?");
        static readonly object Gate = new object();
        static ulong cleanedCount;
        static ulong cleanedAt;

        static async Task Main(string[] arguments)
        {
            string kind = arguments[1], address = arguments[2];
            if (arguments[0] == "serve")
            {
                using IDisposable server = kind == "socket" ? Accept(address) : Ipc.ListenUdsRequest<byte[], byte[]>(address, (opening, context) => Forever(opening));
                using IDisposable? requests = kind == "socket" ? null : Ipc.ListenUdsRequest<byte[], byte[]>(address + "_requests", Answer);
                Console.WriteLine("ready");
                Console.In.ReadToEnd();
                Environment.Exit(0);
            }
            string what = arguments[3];
            int size = int.Parse(arguments[4], CultureInfo.InvariantCulture);
            double seconds = double.Parse(arguments[5], CultureInfo.InvariantCulture);
            if (what == "down")
            {
                double rate = kind == "socket" ? SocketRate(address, size, seconds) : await Rate(address, size, seconds);
                Console.WriteLine("{\"rate\": " + rate.ToString("R", CultureInfo.InvariantCulture) + "}");
            }
            else
            {
                double median = await Median(address, what, size, seconds);
                Console.WriteLine("{\"p50_us\": " + median.ToString("R", CultureInfo.InvariantCulture) + "}");
            }
            Environment.Exit(0);
        }

        /// <summary>Nanoseconds of the monotonic clock, which all processes share.</summary>
        static ulong Now() => (ulong)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

        static byte[] Opening(int size)
        {
            var opening = new byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(opening, (ulong)size);
            return opening;
        }

        static int SizeOf(byte[] opening) => (int)BinaryPrimitives.ReadUInt64LittleEndian(opening);

        static async IAsyncEnumerable<byte[]> Forever(byte[] opening)
        {
            var item = new byte[SizeOf(opening)];
            try
            {
                while (true)
                {
                    yield return item;
                }
            }
            finally
            {
                ulong at = Now();
                lock (Gate)
                {
                    cleanedCount++;
                    cleanedAt = at;
                }
                await Task.CompletedTask;
            }
        }

        static byte[] Answer(byte[] body)
        {
            if (body.Length != 1)
            {
                return body;
            }
            var answer = new byte[16];
            lock (Gate)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(answer, cleanedCount);
                BinaryPrimitives.WriteUInt64LittleEndian(answer.AsSpan(8), cleanedAt);
            }
            return answer;
        }

        static async Task<double> Rate(string address, int size, double seconds)
        {
            var watch = Stopwatch.StartNew();
            long count = -1;
            await foreach (byte[] item in Ipc.PostUdsStreamAsync<byte[], byte[]>(address, Opening(size)))
            {
                if (count < 0)
                {
                    if (watch.Elapsed.TotalSeconds >= seconds / 5)
                    {
                        watch.Restart();
                        count = 0;
                    }
                    continue;
                }
                count++;
                if (count % 16 == 0 && watch.Elapsed.TotalSeconds >= seconds)
                {
                    break;
                }
            }
            return count / watch.Elapsed.TotalSeconds;
        }

        static async Task<double> Median(string address, string what, int size, double seconds)
        {
            using var client = IpcClient.ConnectUds(address + "_requests");
            var took = new List<ulong>();
            var watch = Stopwatch.StartNew();
            while (watch.Elapsed.TotalSeconds < seconds * 1.2 || took.Count == 0)
            {
                bool counts = watch.Elapsed.TotalSeconds >= seconds / 5;
                ulong one = what switch
                {
                    "request" => await Request(client, size),
                    "first" => await First(address, size),
                    _ => await Leave(client, address, size),
                };
                if (counts)
                {
                    took.Add(one);
                }
            }
            took.Sort();
            return took[took.Count / 2] / 1e3;
        }

        static async Task<ulong> Request(IpcClient client, int size)
        {
            var body = new byte[size];
            ulong began = Now();
            await client.RequestAsync<byte[], byte[]>(body);
            return Now() - began;
        }

        static async Task<ulong> First(string address, int size)
        {
            ulong began = Now();
            await foreach (byte[] item in Ipc.PostUdsStreamAsync<byte[], byte[]>(address, Opening(size)))
            {
                return Now() - began;
            }
            throw new InvalidOperationException("no item came");
        }

        static async Task<ulong> Leave(IpcClient client, string address, int size)
        {
            ulong before = BinaryPrimitives.ReadUInt64LittleEndian(await client.RequestAsync<byte[], byte[]>(Question));
            int taken = 0;
            ulong began = 0;
            await foreach (byte[] item in Ipc.PostUdsStreamAsync<byte[], byte[]>(address, Opening(size)))
            {
                if (++taken == 5)
                {
                    began = Now();
                    break;
                }
            }
            while (true)
            {
                byte[] answer = await client.RequestAsync<byte[], byte[]>(Question);
                if (BinaryPrimitives.ReadUInt64LittleEndian(answer) > before)
                {
                    ulong at = BinaryPrimitives.ReadUInt64LittleEndian(answer.AsSpan(8));
                    return at > began ? at - began : 0;
                }
            }
        }

        static IDisposable Accept(string address)
        {
            var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(address));
            listener.Listen(16);
            var thread = new Thread(() =>
            {
                using Socket connection = listener.Accept();
                byte[] item = new byte[SizeOf(Exactly(connection, new byte[8]))];
                byte[] message = BitConverter.GetBytes(item.Length).Concat(item).ToArray();
                try
                {
                    while (true)
                    {
                        connection.Send(message);
                    }
                }
                catch (SocketException)
                {
                }
            });
            thread.IsBackground = true;
            thread.Start();
            return listener;
        }

        static byte[] Exactly(Socket connection, byte[] buffer)
        {
            for (int at = 0; at < buffer.Length;)
            {
                int got = connection.Receive(buffer, at, buffer.Length - at, SocketFlags.None);
                if (got == 0)
                {
                    throw new SocketException((int)SocketError.ConnectionReset);
                }
                at += got;
            }
            return buffer;
        }

        static double SocketRate(string address, int size, double seconds)
        {
            using var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            connection.Connect(new UnixDomainSocketEndPoint(address));
            connection.Send(Opening(size));
            // As its users read: through a stream with a buffer.
            using var stream = new System.IO.BufferedStream(new NetworkStream(connection), 65536);
            var length = new byte[4];
            void Next()
            {
                Read(stream, length);
                Read(stream, new byte[BitConverter.ToInt32(length, 0)]);
            }
            var watch = Stopwatch.StartNew();
            while (watch.Elapsed.TotalSeconds < seconds / 5)
            {
                Next();
            }
            watch.Restart();
            long count = 0;
            while (watch.Elapsed.TotalSeconds < seconds)
            {
                for (int number = 0; number < 16; number++)
                {
                    Next();
                }
                count += 16;
            }
            return count / watch.Elapsed.TotalSeconds;
        }

        static void Read(System.IO.Stream stream, byte[] buffer)
        {
            for (int at = 0; at < buffer.Length;)
            {
                int got = stream.Read(buffer, at, buffer.Length - at);
                if (got == 0)
                {
                    throw new System.IO.EndOfStreamException();
                }
                at += got;
            }
        }
    }
}
