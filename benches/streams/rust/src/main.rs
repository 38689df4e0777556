//! One side of a measurement in Rust: `streams serve KIND ADDRESS`, `streams measure KIND ADDRESS WHAT SIZE SECONDS`.
//! README.md in the folder above says what is measured. ADDRESS is a channel's name, or the path of a Unix socket.

mod blocking;
mod tasks;
mod tonic_peer;

use std::sync::Mutex;
use std::time::Duration;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Nanoseconds of the monotonic clock, which all processes share.
pub(crate) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// How many handlers have cleaned up, and when the last one did.
static CLEANED: Mutex<(u64, u64)> = Mutex::new((0, 0));

/// Notes that its handler cleans up, when it is dropped.
pub(crate) struct CleansUp;

impl Drop for CleansUp {
    fn drop(&mut self) {
        let at = now();
        let mut cleaned = CLEANED.lock().expect("nobody panics");
        *cleaned = (cleaned.0 + 1, at);
    }
}

/// The answer to a request: `?` is asked for the clean-ups.
pub(crate) fn answer(body: &[u8]) -> Vec<u8> {
    if body != b"?" {
        return body.to_vec();
    }
    let (count, at) = *CLEANED.lock().expect("nobody panics");
    [count.to_le_bytes(), at.to_le_bytes()].concat()
}

pub(crate) fn cleaned(answer: &[u8]) -> (u64, u64) {
    let number = |at: usize| u64::from_le_bytes(answer[at..at + 8].try_into().expect("eight bytes"));
    (number(0), number(8))
}

/// The size of items that an opening asks for; none where it is a request.
pub(crate) fn item_size(opening: &[u8]) -> Option<usize> {
    opening.try_into().ok().map(|bytes| u64::from_le_bytes(bytes) as usize)
}

pub(crate) fn ready() {
    println!("ready");
}

/// Waits for the end of standard input, and ends the process.
pub(crate) fn until_end() -> ! {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    std::process::exit(0)
}

pub(crate) struct Wanted {
    pub(crate) what: String,
    pub(crate) size: usize,
    pub(crate) seconds: Duration,
}

impl Wanted {
    pub(crate) fn opening(&self) -> [u8; 8] {
        (self.size as u64).to_le_bytes()
    }

    /// For how many nanoseconds is measured, and for how many before that.
    pub(crate) fn spans(&self) -> (u64, u64) {
        let whole = self.seconds.as_nanos() as u64;
        (whole, whole / 5)
    }
}

pub(crate) fn say_rate(count: u64, took: u64) {
    println!("{{\"rate\": {}}}", count as f64 / (took as f64 / 1e9));
}

pub(crate) fn say_median(mut took: Vec<u64>) {
    took.sort_unstable();
    println!("{{\"p50_us\": {}}}", took[took.len() / 2] as f64 / 1e3);
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    match arguments[..] {
        ["serve", "blocking", address] => blocking::serve(address),
        ["serve", "simple-ipc", address] => runtime()?.block_on(tasks::serve(address)),
        ["serve", "tonic", address] => runtime()?.block_on(tonic_peer::serve(address)),
        ["measure", kind, address, what, size, seconds] => {
            let seconds = Duration::from_secs_f64(seconds.parse()?);
            let wanted = Wanted { what: what.to_owned(), size: size.parse()?, seconds };
            match kind {
                "blocking" => blocking::measure(address, &wanted),
                "simple-ipc" => runtime()?.block_on(tasks::measure(address, &wanted)),
                "tonic" => runtime()?.block_on(tonic_peer::measure(address, &wanted)),
                _ => Err("the kinds are blocking, simple-ipc and tonic".into()),
            }
        }
        _ => Err("usage: streams serve KIND ADDRESS | measure KIND ADDRESS WHAT SIZE SECONDS".into()),
    }
}
