// The front end of a desktop program: makes a picture, has a worker in Python blur it, and shows what came of it. In Electron this is
// the main process; what it prints here it would send to its window.
//
// front.mjs COMMAND-OF-THE-WORKER [ARGUMENT…]
import { spawn } from "node:child_process";
import process from "node:process";
import { Attached, postUdsStream } from "simple-ipc";

const [program, ...rest] = process.argv.slice(2);
if (!program) {
    console.error("usage: front.mjs COMMAND-OF-THE-WORKER [ARGUMENT…]");
    process.exit(2);
}

const rows = 48;
const columns = 64;

/** A chessboard of eight by eight points. */
function chessboard() {
    const points = new Uint8Array(rows * columns);
    for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
            points[row * columns + column] = ((row >> 3) + (column >> 3)) % 2 ? 255 : 0;
        }
    }
    return points;
}

/** The greatest difference of two points side by side. */
function sharpness(points) {
    let most = 0;
    for (let at = 1; at < points.length; at++) {
        if (at % columns) most = Math.max(most, Math.abs(points[at] - points[at - 1]));
    }
    return most;
}

async function blurred(points, times, onProgress) {
    // The worker may still be starting: numpy takes a while to load.
    const picture = new Attached({ shape: [rows, columns], type: "uint8", times }, points);
    for await (const item of postUdsStream("pictures", picture, { wait: 60_000 })) {
        if (item instanceof Attached) return { ...item.value, points: item.data };
        onProgress(item.progress);
    }
    throw new Error("the worker ended without a picture");
}

const worker = spawn(program, rest, { stdio: ["pipe", "inherit", "inherit"] });
const ended = new Promise((resolve) => worker.on("exit", resolve));
try {
    const before = chessboard();
    const after = await blurred(before, 4, (percent) => console.log(`${percent} %`));
    console.log(`${after.shape.join(" x ")} points of ${after.type}, ${after.mean} in the mean`);
    console.log(`sharpness ${sharpness(before)} before, ${sharpness(after.points)} after`);
    await blurred(before.subarray(1), 1, () => {}).catch((error) => console.log(`refused: ${error.handlerCode}`));
} finally {
    worker.stdin.end(); // the worker's end
    await ended;
}
