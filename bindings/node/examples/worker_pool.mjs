// Four worker threads square numbers that the main thread spreads over them; prints the sum of the squares of 0 to 99.
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { connect, listenUdsRequest } from "simple-ipc";

if (isMainThread) {
    const names = [0, 1, 2, 3].map((number) => `worker_${number}`);
    const workers = names.map((name) => new Worker(new URL(import.meta.url), { workerData: name }));
    const clients = await Promise.all(names.map((name) => connect(name, { wait: 30_000 })));
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    const squares = await Promise.all(numbers.map((number) => clients[number % 4].request(number)));
    console.log(squares.reduce((sum, square) => sum + square));
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(workers.map((worker) => worker.terminate()));
} else {
    listenUdsRequest(workerData, (number) => number * number);
}
