//! Requests through two bridges beside requests of the same NATS client without them, in the same rounds: `make bench-bridge`.
//!
//! `bench [QUICK]`: `nats-server` is on PATH, and the program `simple-ipc-bridge` of the same profile is built. Prints a table
//! and whether the goals are reached: a median of at most 100 µs more, at least 0.7 of the requests with 64 in flight, and
//! memory that a flood does not make grow.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use simple_ipc::{Channel, Client, Listener, Message, Mode, Options, Responder};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const CHANNEL: &str = "bench";

/// A process that ends with this program.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _it_has_ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn start(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Result<Process, Failure> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Process(child))
}

/// A server on a port that the system picks, and its URL.
async fn server(folder: &Path) -> Result<(Process, String), Failure> {
    let place = folder.to_str().ok_or("a path that is no text")?;
    let server = start("nats-server", &["-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", place])?;
    let ports = folder.join(format!("nats-server_{}.ports", server.0.id()));
    loop {
        let found = std::fs::read(&ports).ok().and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
        if let Some(port) = found.as_ref().and_then(|ports| ports["nats"][0].as_str()?.rsplit(':').next()) {
            return Ok((server, format!("nats://127.0.0.1:{port}")));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The bridge's program beside this one, which is in the folder `examples`.
fn bridge_program() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()?;
    Ok(own.parent().and_then(Path::parent).ok_or("no folder")?.join("simple-ipc-bridge"))
}

/// The memory of a process that is in use, in KiB.
fn memory(process: &Process) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.0.id()))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}

/// Who sends requests, one way or the other.
#[derive(Clone)]
enum Caller {
    Native(async_nats::Client),
    Bridged(Arc<Client>),
}

impl Caller {
    async fn call(&self, body: &Message) -> Result<(), Failure> {
        match self {
            Caller::Native(client) => {
                let payload = bytes::Bytes::copy_from_slice(body.data());
                let reply = client.request("native", payload).await?;
                assert_eq!(reply.payload.len(), body.len());
            }
            Caller::Bridged(client) => {
                let reply = client.request_message(body, Some(Duration::from_secs(30))).await?;
                assert_eq!(reply.len(), body.len());
            }
        }
        Ok(())
    }
}

/// The times of so many requests, one after another, in microseconds, sorted.
async fn one_by_one(caller: &Caller, body: &Message, count: usize) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        caller.call(body).await?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Requests a second with 64 in flight.
async fn in_flight(caller: &Caller, body: &Message, count: usize) -> Result<f64, Failure> {
    let began = Instant::now();
    let mut calls = FuturesUnordered::new();
    let mut begun = 0;
    while begun < count || !calls.is_empty() {
        while begun < count && calls.len() < 64 {
            calls.push(caller.call(body));
            begun += 1;
        }
        calls.next().await.transpose()?;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

fn median(times: &[f64]) -> f64 {
    times[times.len() / 2]
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let quick = std::env::args().nth(1).is_some();
    let (rounds, count) = if quick { (2, 300) } else { (7, 2000) };
    let folder = tempfile::tempdir()?;
    let (_server, url) = server(folder.path()).await?;
    let (here, there) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let place = |machine: &tempfile::TempDir| machine.path().to_string_lossy().into_owned();
    let program = bridge_program()?;
    let exporter = start(&program, &[&url, "--dir", &place(&here), "--export", CHANNEL])?;
    let importer = start(&program, &[&url, "--dir", &place(&there), "--import", CHANNEL])?;

    let channel = Channel::uds(CHANNEL)?;
    let echo = async |message: Message, responder: Responder| drop(responder.respond(&message));
    let _listener = Listener::serve(&channel, Mode::Request, &Options::new().directory(here.path()), echo).await?;
    let responder = async_nats::connect(&url).await?;
    let mut requests = responder.subscribe("native").await?;
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            if let Some(reply) = request.reply {
                let _the_client_has_ended = responder.publish(reply, request.payload).await;
            }
        }
    });
    let native = Caller::Native(async_nats::connect(&url).await?);
    let options = Options::new().directory(there.path()).wait(Duration::from_secs(60));
    let bridged = Caller::Bridged(Arc::new(Client::connect(&channel, &options).await?));

    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:>8}  {:>12} {:>12} {:>9}  {:>12} {:>12} {:>6}",
        "bytes", "native p50", "bridge p50", "more", "native/s", "bridge/s", "ratio"
    )?;
    let mut reached = true;
    for size in [64, 4096, 65536] {
        let body = Message::bytes(vec![7; size]);
        for caller in [&native, &bridged] {
            one_by_one(caller, &body, count / 4).await?;
        }
        let (mut medians, mut rates) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for _ in 0..rounds {
            for (at, caller) in [&native, &bridged].into_iter().enumerate() {
                medians[at].push(median(&one_by_one(caller, &body, count).await?));
                rates[at].push(in_flight(caller, &body, if size > 10_000 { count } else { count * 5 }).await?);
            }
        }
        let middle = |mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            median(&all)
        };
        let ([native_time, bridge_time], [native_rate, bridge_rate]) = (medians.map(middle), rates.map(middle));
        let (more, ratio) = (bridge_time - native_time, bridge_rate / native_rate);
        writeln!(
            out,
            "{size:>8}  {native_time:>9.0} µs {bridge_time:>9.0} µs {more:>6.0} µs  {native_rate:>12.0} {bridge_rate:>12.0} {ratio:>6.2}"
        )?;
        if size == 64 {
            reached &= more <= 100.0 && ratio >= 0.7;
        }
    }

    let body = Message::bytes(vec![7; 4096]);
    let flood = if quick { 5_000 } else { 50_000 };
    in_flight(&bridged, &body, flood).await?;
    let before = [memory(&importer)?, memory(&exporter)?];
    in_flight(&bridged, &body, 2 * flood).await?;
    let after = [memory(&importer)?, memory(&exporter)?];
    writeln!(
        out,
        "memory after a flood, and after twice as much again: importer {} and {} KiB, exporter {} and {} KiB",
        before[0], after[0], before[1], after[1]
    )?;
    reached &= before.iter().zip(&after).all(|(before, after)| *after < before + before / 4 + 4096);
    writeln!(
        out,
        "goals (64 bytes: at most 100 µs more, at least 0.7 with 64 in flight; memory flat): {}",
        if reached { "reached" } else { "missed" }
    )?;
    Ok(())
}
