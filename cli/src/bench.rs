//! `simple-ipc bench`: how long messages to a channel take, and how many go in a second.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;
use simple_ipc::blocking::Client;
use simple_ipc::{Channel, Error, Message, Options, Result};

use crate::arguments::{Bench, Place};
use crate::output;
use crate::post::{self, TakenAs, reachable_channel};
use crate::progress::Shown;
use crate::report::{Reporter, VerbKind, exit_status, one_line, to_json};
use crate::{closed_output, signals};

/// Times are kept with so many digits, up to a minute.
const DIGITS: u8 = 3;
const LONGEST_NS: u64 = 60_000_000_000;
/// How wide the longest bar of the histogram is, in characters.
const WIDEST: u64 = 40;

/// What is sent.
#[derive(Clone)]
enum Sent {
    Ping,
    Request(Message),
    Broadcast(Message),
}

impl Sent {
    fn name(&self) -> &'static str {
        match self {
            Sent::Ping => "pings",
            Sent::Request(_) => "requests",
            Sent::Broadcast(_) => "broadcasts",
        }
    }
}

pub(crate) fn run(place: &Place, bench: &Bench) -> Result<ExitCode> {
    let channel = reachable_channel("measure", &bench.at.channel)?;
    closed_output::check("the measurement")?;
    let reporter = Reporter::new(bench.json, VerbKind::Post);
    let options = bench.reach.apply(bench.shared.apply(bench.largest.apply(place.options())), bench.timeout);
    let taken = TakenAs { bytes: bench.bytes, text: false, strict: false };
    let sent = match &bench.data {
        None => Sent::Ping,
        Some(data) if bench.broadcast => Sent::Broadcast(post::message(Some(data), taken, reporter)?),
        Some(data) => Sent::Request(post::message(Some(data), taken, reporter)?),
    };
    let run = Arc::new(Run {
        channel,
        options,
        sent,
        left: AtomicU64::new(bench.count.unwrap_or(u64::MAX)),
        is_over: AtomicBool::new(false),
    });
    let measured = measure(&run, bench)?;
    let text = if bench.json { to_json(&measured.record(&run)) + "\n" } else { measured.text(&run) };
    output::write(text.as_bytes())?;
    Ok(match &measured.failure {
        Some(error) => {
            reporter.note(&format!(
                "{} of {} failed, the first so: {}",
                measured.failed,
                measured.count(),
                error.message()
            ));
            ExitCode::from(exit_status(error.kind()))
        }
        None => ExitCode::SUCCESS,
    })
}

/// What all threads of a run share.
struct Run {
    channel: Channel,
    options: Options,
    sent: Sent,
    /// How many may still be sent: taken down by each thread, and nothing is ordered by it.
    left: AtomicU64,
    /// Whether the time is over, or Ctrl-C was pressed: written by whoever finds that. Nothing is ordered by it.
    is_over: AtomicBool,
}

/// What one thread, or all of them, have measured.
struct Measured {
    times: Histogram<u64>,
    failed: u64,
    /// The first failure.
    failure: Option<Error>,
    elapsed: Duration,
}

fn measure(run: &Arc<Run>, bench: &Bench) -> Result<Measured> {
    // One after the other, so that a channel that cannot be reached is told as a post tells it.
    let clients = (0..bench.parallel)
        .map(|_| {
            let client = Client::connect(&run.channel, &run.options)?;
            // Its connection is there, and warm, when it is measured; and a listener of another mode says so.
            once(&client, &run.sent)?;
            Ok(client)
        })
        .collect::<Result<Vec<Client>>>()?;
    let on_signal = Arc::clone(run);
    signals::watch(move || on_signal.is_over.store(true, Ordering::Relaxed), || {})?;
    let shown = Shown::measuring(bench.time, bench.json || bench.quiet);
    let began = Instant::now();
    let ends = began + bench.time;
    let threads: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let run = Arc::clone(run);
            thread::Builder::new().name("bench".to_owned()).spawn(move || repeat(&run, &client, ends))
        })
        .collect::<std::io::Result<_>>()
        .map_err(|error| Error::from_os("cannot start a thread", error))?;
    let mut all = Measured { times: histogram(), failed: 0, failure: None, elapsed: Duration::ZERO };
    for thread in threads {
        let one = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        all.times.add(&one.times).expect("all have the same range");
        all.failed += one.failed;
        all.failure = all.failure.or(one.failure);
    }
    all.elapsed = began.elapsed();
    drop(shown);
    Ok(all)
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).expect("the range and the digits are fixed")
}

/// Sends one after the other until it is over.
fn repeat(run: &Run, client: &Client, ends: Instant) -> Measured {
    let mut measured = Measured { times: histogram(), failed: 0, failure: None, elapsed: Duration::ZERO };
    while !run.is_over.load(Ordering::Relaxed) {
        let take = |left: u64| left.checked_sub(1);
        if run.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            break;
        }
        let began = Instant::now();
        let done = once(client, &run.sent);
        let now = Instant::now();
        match done {
            Ok(()) => measured.times.saturating_record(u64::try_from((now - began).as_nanos()).unwrap_or(u64::MAX)),
            Err(error) => {
                measured.failed += 1;
                measured.failure.get_or_insert(error);
                // Where nobody listens any more, each call would fail at once, again and again.
                run.is_over.store(true, Ordering::Relaxed);
            }
        }
        if now >= ends {
            break;
        }
    }
    measured
}

fn once(client: &Client, sent: &Sent) -> Result<()> {
    match sent {
        Sent::Ping => client.ping().map(drop),
        Sent::Request(message) => client.request_message_unchecked(message, client.timeout()).map(drop),
        Sent::Broadcast(message) => client.broadcast_message(message).and_then(|()| client.flush()),
    }
}

impl Measured {
    fn count(&self) -> u64 {
        self.times.len() + self.failed
    }

    fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.times.len() as f64 / seconds } else { 0.0 }
    }

    fn record(&self, run: &Run) -> Record {
        let times = &self.times;
        let us = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
        let latency_us = (!times.is_empty()).then(|| Latency {
            min: us(times.min()),
            mean: (times.mean() / 10.0).round() / 100.0,
            p50: us(times.value_at_quantile(0.5)),
            p90: us(times.value_at_quantile(0.9)),
            p99: us(times.value_at_quantile(0.99)),
            p99_9: us(times.value_at_quantile(0.999)),
            max: us(times.max()),
        });
        let steps = steps(times).into_iter().map(|(up_to, count)| Step { up_to_us: us(up_to), count });
        Record {
            sent: run.sent.name(),
            count: self.count(),
            failed: self.failed,
            seconds: (self.elapsed.as_secs_f64() * 1e6).round() / 1e6,
            rate: self.rate().round(),
            latency_us,
            histogram: steps.collect(),
        }
    }

    fn text(&self, run: &Run) -> String {
        let times = &self.times;
        let mut text = format!(
            "{} {} to {} in {:.2} s: {:.0} in a second, {} failed\n",
            self.count(),
            run.sent.name(),
            one_line(&run.channel.to_string()),
            self.elapsed.as_secs_f64(),
            self.rate(),
            self.failed
        );
        if times.is_empty() {
            return text;
        }
        let at = |quantile: f64| time(times.value_at_quantile(quantile));
        text.push_str(&format!(
            "min {}  p50 {}  p90 {}  p99 {}  p99.9 {}  max {}\n\n",
            time(times.min()),
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.999),
            time(times.max())
        ));
        let steps = steps(times);
        let most = steps.iter().map(|(_, count)| *count).max().unwrap_or(1);
        for (up_to, count) in steps {
            // What is there is seen, be it little.
            let bar = "#".repeat(usize::try_from((count * WIDEST).div_ceil(most)).unwrap_or(0));
            text.push_str(format!("{:>10}  {count:>9}  {bar}", time(up_to)).trim_end());
            text.push('\n');
        }
        text
    }
}

/// How many took up to so many nanoseconds and longer than the step before: steps that double, from the first that has some to
/// the last.
fn steps(times: &Histogram<u64>) -> Vec<(u64, u64)> {
    let steps = times.iter_log(1000, 2.0).map(|step| (step.value_iterated_to(), step.count_since_last_iteration()));
    let all: Vec<_> = steps.collect();
    let first = all.iter().position(|(_, count)| *count > 0).unwrap_or(all.len());
    all[first..].to_vec()
}

/// A time as people read it.
fn time(nanoseconds: u64) -> String {
    match nanoseconds as f64 {
        ns if ns < 1e6 => format!("{:.1} us", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

/// A run as `--json` shows it.
#[derive(Serialize)]
struct Record {
    sent: &'static str,
    count: u64,
    failed: u64,
    seconds: f64,
    /// How many went well in a second.
    rate: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_us: Option<Latency>,
    histogram: Vec<Step>,
}

#[derive(Serialize)]
struct Latency {
    min: f64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p99_9: f64,
    max: f64,
}

#[derive(Serialize)]
struct Step {
    up_to_us: f64,
    count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_hold_every_time_once() {
        let mut times = histogram();
        for nanoseconds in [1, 999, 1500, 3000, 3000, 1_000_000, 59_000_000_000] {
            times.record(nanoseconds).unwrap();
        }
        let steps = steps(&times);
        assert_eq!(steps.iter().map(|(_, count)| count).sum::<u64>(), 7);
        assert!(steps.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(steps[0].1, 2, "the first step has what took up to a microsecond");
        assert!(steps.last().unwrap().1 == 1, "nothing follows the last that has some");
    }

    #[test]
    fn times_are_shown_with_a_unit_that_suits_them() {
        assert_eq!([500, 25_300, 1_234_567, 2_500_000_000].map(time), ["0.5 us", "25.3 us", "1.23 ms", "2.50 s"]);
    }
}
