//! `simple-ipc ping`: round-trip times to a channel's listener, shown as ping(8) shows them.

use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use simple_ipc::blocking::Client;
use simple_ipc::{Channel, Error, ErrorKind, Options, Result};

use crate::arguments::{Ping, Place};
use crate::output::{self, Reader};
use crate::post::reachable_channel;
use crate::report::{ErrorRecord, NO_REPLY_STATUS, VerbKind, one_line, to_json};
use crate::signals;

pub(crate) fn run(place: &Place, ping: Ping) -> Result<ExitCode> {
    let channel = reachable_channel("ping", &ping.at.channel)?;
    let options = ping.reach.apply(place.options(), ping.timeout);
    let client = Client::connect(&channel, &options)?;
    let started = Instant::now();
    let tally = Arc::new(Mutex::new(Tally::default()));
    let name = one_line(&channel.to_string());
    let json = ping.json;

    let (ends, ended) = mpsc::channel();
    let (stop, stopped) = mpsc::channel();
    let on_first = {
        let ends = ends.clone();
        move || {
            let _ = stop.send(());
            let _ = ends.send(Ok(()));
        }
    };
    signals::watch(on_first, || {})?;
    let rounds = Rounds { channel, name: name.clone(), options, ping, tally: Arc::clone(&tally), stopped };
    // In a thread of its own, so that Ctrl-C need not wait for a reply that may never come.
    let spawned = thread::Builder::new().name("ping".to_owned()).spawn(move || {
        let _ = ends.send(rounds.run(client));
    });
    spawned.map_err(|error| Error::from_os("cannot start a thread", error))?;
    ended.recv().unwrap_or(Ok(()))?;

    // Held to the end: no reply is shown after the summary.
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    output::write(tally.summary(&name, started.elapsed(), json).as_bytes())?;
    Ok(if tally.received() == 0 { ExitCode::from(NO_REPLY_STATUS) } else { ExitCode::SUCCESS })
}

/// One ping after the other.
struct Rounds {
    channel: Channel,
    name: String,
    options: Options,
    ping: Ping,
    tally: Arc<Mutex<Tally>>,
    stopped: Receiver<()>,
}

#[derive(Serialize)]
struct ReplyRecord {
    seq: u64,
    time_ms: f64,
}

#[derive(Serialize)]
struct LossRecord<'a> {
    seq: u64,
    error: ErrorRecord<'a>,
}

impl Rounds {
    fn run(self, client: Client) -> Result<()> {
        let mut client = Some(client);
        let mut seq = 0;
        loop {
            seq += 1;
            let sent = Instant::now();
            self.tally().sent += 1;
            let result = self.once(&mut client);
            let mut tally = self.tally();
            if let Ok(time) = result {
                tally.times.push(time);
            }
            if self.show(seq, &result)? == Reader::Gone {
                return Ok(());
            }
            drop(tally);
            if self.ping.count == Some(seq) {
                return Ok(());
            }
            let pause = self.ping.interval.saturating_sub(sent.elapsed());
            if self.stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return Ok(());
            }
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One round trip. A connection that broke is made anew: the listener may be back.
    fn once(&self, client: &mut Option<Client>) -> Result<Duration> {
        let connected = match client.take() {
            Some(connected) => connected,
            None => Client::connect(&self.channel, &self.options)?,
        };
        let result = connected.ping();
        if result.is_ok() {
            *client = Some(connected);
        }
        result
    }

    fn show(&self, seq: u64, result: &Result<Duration>) -> Result<Reader> {
        let name = &self.name;
        output::line(match (result, self.ping.json) {
            (Ok(time), true) => to_json(&ReplyRecord { seq, time_ms: milliseconds(*time) }),
            (Ok(time), false) => format!("reply from {name}: seq={seq} time={:.3} ms", milliseconds(*time)),
            (Err(error), true) => to_json(&LossRecord { seq, error: ErrorRecord::new(error, VerbKind::Ping) }),
            (Err(error), false) if error.kind() == ErrorKind::TimedOut => {
                format!("no reply from {name}: seq={seq} timed out")
            }
            (Err(error), false) => format!("no reply from {name}: seq={seq} {}", one_line(error.message())),
        })
    }
}

/// What came back so far.
#[derive(Default)]
struct Tally {
    sent: u64,
    times: Vec<Duration>,
}

/// The end of a run as `--json` shows it.
#[derive(Serialize)]
struct Summary {
    sent: u64,
    received: u64,
    loss_percent: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mdev_ms: Option<f64>,
}

impl Tally {
    fn received(&self) -> u64 {
        self.times.len() as u64
    }

    fn summary(&self, name: &str, elapsed: Duration, json: bool) -> String {
        let (sent, received) = (self.sent, self.received());
        let loss_percent = if sent == 0 { 0.0 } else { 100.0 * (sent - received) as f64 / sent as f64 };
        let spread = self.spread();
        if json {
            let [min_ms, avg_ms, max_ms, mdev_ms] = std::array::from_fn(|index| spread.map(|spread| spread[index]));
            let loss_percent = rounded(loss_percent, 100.0);
            return to_json(&Summary { sent, received, loss_percent, min_ms, avg_ms, max_ms, mdev_ms }) + "\n";
        }
        let mut text = format!(
            "\n--- {name} ping statistics ---\n\
             {sent} sent, {received} received, {loss_percent:.0}% loss, time {} ms\n",
            elapsed.as_millis()
        );
        if let Some([min, avg, max, mdev]) = spread {
            text.push_str(&format!("rtt min/avg/max/mdev = {min:.3}/{avg:.3}/{max:.3}/{mdev:.3} ms\n"));
        }
        text
    }

    /// Least, mean and greatest time and the standard deviation, in ms.
    fn spread(&self) -> Option<[f64; 4]> {
        let times: Vec<f64> = self.times.iter().copied().map(milliseconds).collect();
        let count = times.len() as f64;
        let least = times.iter().copied().reduce(f64::min)?;
        let greatest = times.iter().copied().reduce(f64::max)?;
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / count;
        Some([least, mean, greatest, variance.sqrt()].map(|time| rounded(time, 1e6)))
    }
}

/// With whole nanoseconds: what binary fractions add to that is no measurement.
fn milliseconds(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e6
}

/// To so many parts of one.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_that_of_ping() {
        let times = [1, 3].map(Duration::from_millis).to_vec();
        let text = Tally { sent: 4, times }.summary("x", Duration::from_secs(3), false);
        assert_eq!(
            text,
            "\n--- x ping statistics ---\n4 sent, 2 received, 50% loss, time 3000 ms\n\
             rtt min/avg/max/mdev = 1.000/2.000/3.000/1.000 ms\n"
        );
    }

    #[test]
    fn times_have_no_more_digits_than_a_nanosecond() {
        assert_eq!(milliseconds(Duration::from_nanos(1_767_695)).to_string(), "1.767695");
        let times = [1, 1, 2].map(Duration::from_nanos).to_vec();
        let text = Tally { sent: 9, times }.summary("x", Duration::ZERO, true);
        assert_eq!(
            text,
            "{\"sent\":9,\"received\":3,\"loss_percent\":66.67,\"min_ms\":1e-6,\"avg_ms\":1e-6,\"max_ms\":2e-6,\"mdev_ms\":0.0}\n"
        );
    }

    #[test]
    fn without_a_reply_there_are_no_times() {
        let tally = Tally { sent: 2, times: Vec::new() };
        let text = tally.summary("x", Duration::ZERO, false);
        assert_eq!(text, "\n--- x ping statistics ---\n2 sent, 0 received, 100% loss, time 0 ms\n");
        assert_eq!(tally.summary("x", Duration::ZERO, true), "{\"sent\":2,\"received\":0,\"loss_percent\":100.0}\n");
    }
}
