// Drives node-ipc 14 over a Unix socket with its quickest profile for JSON ("fast"), and prints the same line of JSON as
// benches/bare: node node_ipc.mjs WHAT --cpus SERVER,CLIENT --warmup SECONDS --seconds SECONDS [--bytes N]
//
// Pinned by the caller's taskset, since Node cannot pin itself; the body is a string of so many characters.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { IPCModule } from 'node-ipc';

const [what, ...rest] = process.argv.slice(2);
const options = Object.fromEntries(rest.flatMap((word, i) => (i % 2 ? [] : [[word.slice(2), rest[i + 1]]])));
const bytes = Number(options.bytes ?? (what === 'bulk' ? 1 << 20 : 64));
const inFlight = what === 'pipeline' ? 64 : 1;
setTimeout(() => process.exit(1), 60_000 + 1000 * Number(options.seconds ?? 1)).unref();

const ipc = new IPCModule();
Object.assign(ipc.config, { silent: true, parser: 'fast', maxRetries: 100, retry: 50 });

if (options.serve) {
    ipc.config.socketRoot = `${options.serve}/`;
    ipc.config.appspace = '';
    ipc.config.id = 'bench';
    ipc.serve(() => {
        ipc.server.on('message', (body, socket) => {
            if (what !== 'oneway') ipc.server.emit(socket, 'reply', what === 'bulk' ? 'answered' : body);
            else if (body[0] === 'z') ipc.server.emit(socket, 'reply', 'ack');
        });
        process.stdout.write('ready\n');
    });
    ipc.server.start();
    process.stdin.on('end', () => process.exit(0)).resume();
} else {
    const folder = mkdtempSync(join(tmpdir(), 'simple-ipc-bench-'));
    const [serverCpu] = (options.cpus ?? '0,0').split(',');
    const words = [process.execPath, fileURLToPath(import.meta.url), what, '--serve', folder];
    const server = spawn('taskset', ['-c', serverCpu, ...words], { stdio: ['pipe', 'pipe', 'inherit'] });
    process.on('exit', () => { server.kill('SIGKILL'); rmSync(folder, { recursive: true, force: true }); });
    await new Promise((ready) => server.stdout.once('data', ready));
    ipc.config.socketRoot = `${folder}/`;
    ipc.config.appspace = '';
    await new Promise((connected) => ipc.connectTo('bench', () => ipc.of.bench.on('connect', connected)));
    const link = ipc.of.bench;
    let onReply = () => {};
    link.on('reply', () => onReply());
    const body = 'x'.repeat(bytes);

    // For so long; resolves with how many there were.
    const drive = (milliseconds, samples) => new Promise((done) => {
        let sent = 0, count = 0, before = performance.now();
        const stop = before + milliseconds;
        const send = (text) => { link.emit('message', text); sent++; };
        if (what === 'oneway') {
            onReply = () => done(sent);
            const some = () => {
                for (let i = 0; i < 256; i++) send(body);
                if (performance.now() < stop) setImmediate(some);
                else send(`z${body.slice(1)}`);
            };
            some();
            return;
        }
        onReply = () => {
            const now = performance.now();
            count++;
            if (inFlight === 1) { samples.push(now - before); before = now; }
            if (now < stop) send(body);
            else if (count === sent) done(count);
        };
        for (let i = 0; i < inFlight; i++) send(body);
    });

    await drive(1000 * Number(options.warmup ?? 0.3), []);
    const samples = [];
    const cpu = process.cpuUsage();
    const started = performance.now();
    const count = await drive(1000 * Number(options.seconds ?? 1), samples);
    const seconds = (performance.now() - started) / 1000;
    const used = process.cpuUsage(cpu);
    samples.sort((a, b) => a - b);
    const at = (share) => (samples.length ? samples[Math.floor((samples.length * share) / 100)] * 1000 : null);
    const shares = [0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99];
    console.log(JSON.stringify({
        what, bytes, count, seconds, rate: Math.round(count / seconds), p50_us: at(50), p99_us: at(99),
        client_cpu_s_per_million: (used.user + used.system) / count,
        ...(samples.length ? { percentiles: Object.fromEntries(shares.map((share) => [share, at(share)])) } : {}),
    }));
    process.exit(0);
}
