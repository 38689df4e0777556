// The worker: computes what it is asked to, says how far it is, stops when nobody waits any more.
// Ends with the process that started it, since its standard input ends then.
import process from "node:process";
import { HandlerError, listenUdsRequest } from "simple-ipc";

let tellLeft;
const left = new Promise((resolve) => (tellLeft = resolve));

function* sumOfSquares(to, steps) {
    let total = 0;
    for (let step = 1; step <= steps; step++) {
        const last = Math.floor((to * step) / steps);
        for (let n = Math.floor((to * (step - 1)) / steps) + 1; n <= last; n++) total += n * n;
        yield { progress: Math.floor((100 * step) / steps) };
    }
    yield { result: total };
}

function* endless() {
    try {
        for (;;) yield { progress: 0 };
    } finally {
        // The caller has left its loop, or is gone: what the job holds is given back here.
        tellLeft();
    }
}

function handle(job) {
    switch (job?.job) {
        case "sum_of_squares":
            return sumOfSquares(job.to, job.steps);
        case "endless":
            return endless();
        case "was_left":
            return left.then(() => true);
        case "crash":
            process.kill(process.pid, "SIGKILL");
            return null;
        default:
            throw new HandlerError(`no such job: ${JSON.stringify(job)}`, { code: "no_such_job" });
    }
}

const server = listenUdsRequest(process.argv[2] ?? "worker", handle);
process.stdin.on("end", () => server.close()).resume();
