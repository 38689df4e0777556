//! Options, pinning, clocks, samples and the line of JSON: the harness of `benches/measure`, for Rust.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const IN_FLIGHT: usize = 64;

#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    Server,
    Client,
}

pub struct Plan {
    pub peer: String,
    pub what: String,
    pub role: Role,
    /// What the client told its server: an address, a name.
    pub address: String,
    pub server_cpu: usize,
    pub client_cpu: usize,
    pub warmup: Duration,
    pub measure: Duration,
    pub bytes: usize,
}

pub fn fail(why: &str) -> ! {
    eprintln!("bench: {why}");
    std::process::exit(1)
}

impl Plan {
    pub fn from_arguments() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        if words.len() < 2 || words.len() % 2 != 0 {
            fail("usage: peers-rust PEER WHAT --cpus SERVER,CLIENT --warmup SECONDS --seconds SECONDS [--bytes N]");
        }
        let mut plan = Plan {
            peer: words[0].clone(),
            what: words[1].clone(),
            role: Role::Client,
            address: String::new(),
            server_cpu: 0,
            client_cpu: 0,
            warmup: Duration::from_millis(300),
            measure: Duration::from_secs(1),
            bytes: if words[1] == "bulk" { 1 << 20 } else { 64 },
        };
        for pair in words[2..].chunks(2) {
            let value = pair[1].as_str();
            let wrong = || -> ! { fail(&format!("{} {value} does not make sense", pair[0])) };
            let seconds = || Duration::try_from_secs_f64(value.parse().unwrap_or_else(|_| wrong())).unwrap_or_else(|_| wrong());
            match pair[0].as_str() {
                "--cpus" => {
                    let (server, client) = value.split_once(',').unwrap_or_else(|| wrong());
                    plan.server_cpu = server.parse().unwrap_or_else(|_| wrong());
                    plan.client_cpu = client.parse().unwrap_or_else(|_| wrong());
                }
                "--warmup" => plan.warmup = seconds(),
                "--seconds" => plan.measure = seconds(),
                "--bytes" => plan.bytes = value.parse().unwrap_or_else(|_| wrong()),
                "--serve" => {
                    plan.role = Role::Server;
                    plan.address = value.to_owned();
                }
                _ => wrong(),
            }
        }
        plan
    }

    pub fn is(&self, what: &str) -> bool {
        self.what == what
    }

    /// Bytes of a reply: none is longer than it has to be.
    pub fn reply_bytes(&self) -> usize {
        if self.is("bulk") { 8 } else { self.bytes }
    }

    /// A name that no other run has.
    pub fn fresh_name(&self) -> String {
        format!("simple-ipc-bench-{}", std::process::id())
    }
}

pub fn pin_to(cpu: usize) {
    // SAFETY: the set is a plain value that lives for the call.
    let done = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set)
    };
    if done != 0 {
        fail("cannot run on the processor that --cpus names");
    }
}

pub fn start_watchdog(plan: &Plan) {
    // SAFETY: neither call touches memory. A server does not outlive its client.
    unsafe {
        libc::alarm(60 + (plan.warmup + plan.measure).as_secs() as u32);
        if plan.role == Role::Server {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        }
    }
}

/// The server's process; killed when this is dropped.
pub struct Server(Child);

impl Server {
    /// Starts this program again as the server and waits for its line `ready`.
    pub fn start(address: &str) -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let program = std::env::current_exe().expect("own path");
        let mut child = Command::new(program)
            .args(&words)
            .args(["--serve", address])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| fail(&format!("cannot start the server: {error}")));
        let mut line = String::new();
        let read = BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line);
        if read.is_err() || line.trim() != "ready" {
            let _ = child.kill();
            let _ = child.wait();
            fail("the server did not start");
        }
        Server(child)
    }

    fn cpu(&self) -> f64 {
        let mut clock: libc::clockid_t = 0;
        // SAFETY: `clock` lives for the call.
        if unsafe { libc::clock_getcpuclockid(self.0.id() as libc::pid_t, &mut clock) } != 0 {
            fail("cannot read the server's processor time");
        }
        seconds_of(clock)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn ready() {
    use std::io::Write;
    println!("ready");
    std::io::stdout().flush().expect("standard output");
}

fn seconds_of(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` lives for the call.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Runs `exchange` for the warm-up, then for the measured stretch, and prints the result. It is given how long and, in
/// the measured stretch, where samples go; it returns how many messages there were.
pub fn run(plan: &Plan, server: &Server, mut exchange: impl FnMut(Duration, &mut Vec<u32>) -> u64) {
    let mut samples = Vec::with_capacity(4 << 20);
    exchange(plan.warmup, &mut samples);
    samples.clear();
    let cpu = server.cpu() + seconds_of(libc::CLOCK_PROCESS_CPUTIME_ID);
    let started = Instant::now();
    let count = exchange(plan.measure, &mut samples);
    let seconds = started.elapsed().as_secs_f64();
    let cpu = server.cpu() + seconds_of(libc::CLOCK_PROCESS_CPUTIME_ID) - cpu;
    samples.sort_unstable();
    let at = |share: f64| f64::from(samples[((samples.len() as f64 * share) as usize).min(samples.len() - 1)]) / 1e3;
    let latency = if samples.is_empty() {
        String::from("\"p50_us\":null,\"p99_us\":null")
    } else {
        let shares = [0.1, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];
        let all: Vec<String> = shares.iter().map(|share| format!("\"{share}\":{:.3}", at(share / 100.0))).collect();
        format!("\"percentiles\":{{{}}},\"p50_us\":{:.3},\"p99_us\":{:.3}", all.join(","), at(0.5), at(0.99))
    };
    println!(
        "{{\"what\":\"{}\",\"bytes\":{},\"count\":{count},\"seconds\":{seconds:.3},{latency},\"rate\":{:.0},\
         \"cpu_s_per_million\":{:.3}}}",
        plan.what, plan.bytes, count as f64 / seconds, cpu / count as f64 * 1e6
    );
}

/// One message after another.
pub fn one_by_one(for_time: Duration, samples: &mut Vec<u32>, mut ask: impl FnMut()) -> u64 {
    let mut before = Instant::now();
    let stop = before + for_time;
    let mut count = 0;
    while before < stop {
        ask();
        let after = Instant::now();
        if samples.len() < samples.capacity() {
            samples.push((after - before).as_nanos().min(u128::from(u32::MAX)) as u32);
        }
        before = after;
        count += 1;
    }
    count
}
