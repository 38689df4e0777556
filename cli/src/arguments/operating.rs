//! What the verbs take that look at channels: ls, stats, tap, bench, doctor.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::{LiveChannel, TimeLimit};
use crate::completion::live_channels;
use crate::limits::{Largest, Patience, Reach, Shared, Size};

pub(super) const STATS_EXAMPLES: &str = "\
Examples:
  simple-ipc stats example_channel
  simple-ipc stats example_channel --watch 5s";

pub(super) const TAP_EXAMPLES: &str = "\
Examples:
  simple-ipc listen example_channel --echo --tap
  simple-ipc tap example_channel
  simple-ipc tap example_channel --json --count 100 > passed.jsonl";

pub(super) const BENCH_EXAMPLES: &str = "\
Exit status is that of the first failure.

Examples:
  simple-ipc bench example_channel
  simple-ipc bench example_channel '{\"n\":1}' --parallel 8 --time 10s";

pub(super) const DOCTOR_EXAMPLES: &str = "\
Exit status is 1 when a problem was found.

Examples:
  simple-ipc doctor
  simple-ipc doctor example_channel
  simple-ipc doctor --json";

#[derive(Args, Debug)]
pub(crate) struct Ls {
    /// Print one JSON object per channel
    #[arg(long)]
    pub(crate) json: bool,

    /// Go on, and print each channel that appears, changes or goes; looks every second unless an interval is given
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "1s", value_parser = interval)]
    pub(crate) watch: Option<Duration>,
}

#[derive(Args, Debug)]
pub(crate) struct Stats {
    #[command(flatten)]
    pub(crate) at: LiveChannel,

    /// Go on, a line for each interval: a second unless one is given
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "1s", value_parser = interval)]
    pub(crate) watch: Option<Duration>,

    /// With --watch: end after so many lines
    #[arg(long, short, value_name = "N", requires = "watch", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// How long to wait for the answer: 5s, 200ms, 1m, or none for no limit
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub(crate) timeout: TimeLimit,

    /// Print one JSON object, with --watch one for each interval
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Args, Debug)]
pub(crate) struct Tap {
    #[command(flatten)]
    pub(crate) at: LiveChannel,

    /// End after so many lines; without it Ctrl-C ends it
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// Print bodies whole: without it a line shows the first 200 characters of one
    #[arg(long, conflicts_with = "json")]
    pub(crate) whole: bool,

    /// How many bytes may wait at the listener, before the oldest are missed: 4MiB unless given
    #[arg(long, value_name = "SIZE")]
    pub(crate) queue: Option<Size>,

    /// How long to look for a listener that has gone: 10s, 0s for not at all, none for no limit
    #[arg(long, value_name = "DURATION", default_value = "none")]
    pub(crate) reconnect: Patience,

    /// How long it may take to begin: 5s, 200ms, 1m, or none for no limit
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub(crate) timeout: TimeLimit,

    /// Print an object for each, with what, call, at, took_us, peer, missed and the body (or bytes in base64)
    #[arg(long)]
    pub(crate) json: bool,

    /// Do not print the line that says that it has begun
    #[arg(long, short)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) largest: Largest,

    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Args, Debug)]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(crate) at: LiveChannel,

    /// The message: JSON, or text that is sent as a string; - reads standard input. Without it pings are sent
    #[arg(value_name = "DATA", allow_negative_numbers = true)]
    pub(crate) data: Option<OsString>,

    /// Send DATA as bytes, as it is
    #[arg(long, requires = "data")]
    pub(crate) bytes: bool,

    /// Send broadcasts, each of which is done when the listener has it
    #[arg(long, requires = "data")]
    pub(crate) broadcast: bool,

    /// How many are under way at once, each from a thread and on a connection of its own
    #[arg(long, short, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) parallel: u16,

    /// For how long to measure
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = interval)]
    pub(crate) time: Duration,

    /// End after so many, if the time is not over before
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// How long to wait for each answer: 5s, 200ms, 1m, or none for no limit
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub(crate) timeout: TimeLimit,

    /// Print one JSON object, and errors as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Show no progress, also at a terminal
    #[arg(long, short)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) largest: Largest,

    #[command(flatten)]
    pub(crate) shared: Shared,

    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Only this channel, and who holds it
    #[arg(value_name = "CHANNEL", add = ArgValueCompleter::new(live_channels))]
    pub(crate) channel: Option<String>,

    /// How long to wait for the answer of each listener: 2s, 200ms, 1m
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = interval)]
    pub(crate) timeout: Duration,

    /// Print one JSON object per finding
    #[arg(long)]
    pub(crate) json: bool,
}

/// A length of time that is more than none.
fn interval(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("it is to be more than 0".to_owned()),
        Ok(interval) => Ok(interval),
        Err(error) => Err(error.to_string()),
    }
}
