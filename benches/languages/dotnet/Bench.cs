using System;
using System.Diagnostics;
using System.Globalization;
using System.Linq;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

namespace SimpleIpc.Bench
{
    /// <summary>
    /// One side of a measurement in .NET: <c>serve KIND ADDRESS</c>, <c>measure KIND ADDRESS SIZE IN_FLIGHT SECONDS</c>, as
    /// bench.py beside it. KIND is simple-ipc (one request in flight: the blocking call) or socket.
    /// </summary>
    static class Bench
    {
        static async Task Main(string[] arguments)
        {
            string kind = arguments[1], address = arguments[2];
            if (arguments[0] == "serve")
            {
                using IDisposable server = kind == "socket" ? (IDisposable)Serve(address) : Ipc.ListenUdsRequest<byte[], byte[]>(address, Answer);
                Console.WriteLine("ready");
                Console.In.ReadToEnd();
                Environment.Exit(0);
            }
            var data = new byte[int.Parse(arguments[3], CultureInfo.InvariantCulture)];
            int inFlight = int.Parse(arguments[4], CultureInfo.InvariantCulture);
            double seconds = double.Parse(arguments[5], CultureInfo.InvariantCulture);
            double rate = kind == "socket"
                ? Sockets(address, data, inFlight, seconds)
                : inFlight == 1 ? Blocking(address, data, seconds) : await Tasks(address, data, inFlight, seconds);
            Console.WriteLine(rate.ToString("R", CultureInfo.InvariantCulture));
            Environment.Exit(0);
        }

        static byte[] Answer(byte[] data) => data.Length <= 64 ? data : data.AsSpan(0, 8).ToArray();

        static double Rate(Action call, int batch, double seconds)
        {
            var watch = Stopwatch.StartNew();
            while (watch.Elapsed.TotalSeconds < seconds / 5)
            {
                call();
            }
            watch.Restart();
            long count = 0;
            while (watch.Elapsed.TotalSeconds < seconds)
            {
                call();
                count += batch;
            }
            return count / watch.Elapsed.TotalSeconds;
        }

        static double Blocking(string address, byte[] data, double seconds)
        {
            using var client = IpcClient.ConnectUds(address);
            return Rate(() => client.Request<byte[], byte[]>(data), 1, seconds);
        }

        static async Task<double> Tasks(string address, byte[] data, int inFlight, double seconds)
        {
            using var client = IpcClient.ConnectUds(address);
            long count = 0;
            bool over = false;
            var lanes = Enumerable.Range(0, inFlight).Select(_ => Task.Run(async () =>
            {
                while (!Volatile.Read(ref over))
                {
                    await client.RequestAsync<byte[], byte[]>(data);
                    Interlocked.Increment(ref count);
                }
            })).ToArray();
            await Task.Delay(TimeSpan.FromSeconds(seconds / 5));
            Interlocked.Exchange(ref count, 0);
            var watch = Stopwatch.StartNew();
            await Task.Delay(TimeSpan.FromSeconds(seconds));
            double rate = Interlocked.Read(ref count) / watch.Elapsed.TotalSeconds;
            Volatile.Write(ref over, true);
            await Task.WhenAll(lanes);
            return rate;
        }

        static Socket Serve(string address)
        {
            var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(address));
            listener.Listen(16);
            var thread = new Thread(() =>
            {
                using var connection = listener.Accept();
                try
                {
                    while (true)
                    {
                        Send(connection, Answer(Receive(connection)));
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

        /// <summary>A message, with its length before it, as an array of its own: what a handler of the library's gets, too.</summary>
        static byte[] Receive(Socket connection)
        {
            byte[] length = new byte[4];
            Exactly(connection, length, 0, 4);
            byte[] data = new byte[BitConverter.ToInt32(length, 0)];
            Exactly(connection, data, 0, data.Length);
            return data;
        }

        static void Exactly(Socket connection, byte[] buffer, int at, int length)
        {
            while (length > 0)
            {
                int got = connection.Receive(buffer, at, length, SocketFlags.None);
                if (got == 0)
                {
                    throw new SocketException((int)SocketError.ConnectionReset);
                }
                at += got;
                length -= got;
            }
        }

        /// <summary>Small messages with one copy and one call, large ones without a copy.</summary>
        static void Send(Socket connection, byte[] data)
        {
            byte[] length = BitConverter.GetBytes(data.Length);
            if (data.Length > 4096)
            {
                connection.Send(length);
                connection.Send(data);
                return;
            }
            byte[] message = new byte[data.Length + 4];
            length.CopyTo(message, 0);
            data.CopyTo(message, 4);
            connection.Send(message);
        }

        static double Sockets(string address, byte[] data, int inFlight, double seconds)
        {
            using var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            connection.Connect(new UnixDomainSocketEndPoint(address));
            return Rate(() =>
            {
                // Large requests would fill both sockets while neither side reads: another thread sends.
                var sending = inFlight > 1 && data.Length > 4096
                    ? Task.Run(() => SendAll(connection, data, inFlight))
                    : null;
                if (sending == null)
                {
                    SendAll(connection, data, inFlight);
                }
                for (int number = 0; number < inFlight; number++)
                {
                    Receive(connection);
                }
                sending?.Wait();
            }, inFlight, seconds);
        }

        static void SendAll(Socket connection, byte[] data, int count)
        {
            for (int number = 0; number < count; number++)
            {
                Send(connection, data);
            }
        }
    }
}
