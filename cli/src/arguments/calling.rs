//! What the verbs take that reach for a listener: post, stream, subscribe, ping.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use simple_ipc::Overflow;

use super::{Dialect, LiveChannel, TimeLimit};
use crate::limits::{Largest, Patience, Reach, Shared, Size};

pub(super) const POST_EXAMPLES: &str = "\
Examples:
  simple-ipc post example_channel '\"request-foo\"'
  simple-ipc post sums '[1, 2, 3]' --timeout 2s
  simple-ipc post images - --bytes < in.png > out.png
  simple-ipc post pictures '{\"name\":\"a.png\"}' --attach a.png
  simple-ipc post builds '{\"ok\":true}' --broadcast --wait 10s
  simple-ipc post greetings 'good morning' --text
  simple-ipc post sums - --lines < tasks.jsonl > sums.jsonl";

pub(super) const SUBSCRIBE_EXAMPLES: &str = "\
Examples:
  simple-ipc subscribe load
  simple-ipc subscribe prices --topic eur --topic usd --json
  simple-ipc subscribe numbers --wait 10s --count 3";

pub(super) const STREAM_EXAMPLES: &str = "\
Examples:
  simple-ipc stream count
  seq 5 | simple-ipc stream total --items -
  simple-ipc stream backup --bytes < backup.tar
  simple-ipc stream images '{\"name\":\"a.png\"}' > a.png";

pub(super) const PING_EXAMPLES: &str = "\
Exit status is 1 when no reply came back.

Examples:
  simple-ipc ping example_channel --count 5";

#[derive(Args, Debug)]
pub(crate) struct Subscribe {
    #[command(flatten)]
    pub(crate) at: LiveChannel,

    /// Only events of this topic; may be given again. All topics unless given
    #[arg(long, value_name = "TOPIC", action = clap::ArgAction::Append)]
    pub(crate) topic: Vec<String>,

    /// End after so many events; without it Ctrl-C ends it
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// What happens where events come faster than they are printed
    #[arg(long, value_name = "POLICY", value_enum, default_value_t = WhenFull::Fail)]
    pub(crate) overflow: WhenFull,

    /// How many bytes of events may wait at the publisher: 4MiB unless given
    #[arg(long, value_name = "SIZE")]
    pub(crate) queue: Option<Size>,

    /// How long to look for a publisher that has gone: 10s, 0s for not at all, none for no limit
    #[arg(long, value_name = "DURATION", default_value = "none")]
    pub(crate) reconnect: Patience,

    /// How long the subscribing itself may take: 5s, 200ms, 1m, or none for no limit
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub(crate) timeout: TimeLimit,

    /// Print each event as an object with data (or bytes in base64), topic, missed and retained; errors and notes are JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Do not print the line that says that it has subscribed
    #[arg(long, short)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) largest: Largest,

    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// What happens where a subscriber's queue is full.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum WhenFull {
    /// The subscription ends with an error
    Fail,
    /// The oldest events that wait are dropped, and the next one says how many
    #[value(name = "drop_oldest")]
    DropOldest,
    /// The publisher waits, if it allows that (its --patience)
    Block,
}

impl From<WhenFull> for Overflow {
    fn from(policy: WhenFull) -> Overflow {
        match policy {
            WhenFull::Fail => Overflow::Fail,
            WhenFull::DropOldest => Overflow::DropOldest,
            WhenFull::Block => Overflow::Block,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Post {
    #[command(flatten)]
    pub(crate) at: LiveChannel,

    /// The message: JSON, or text that is sent as a string; - reads standard input; none is null
    #[arg(value_name = "DATA", allow_negative_numbers = true)]
    pub(crate) data: Option<OsString>,

    /// Send DATA as bytes, as it is
    #[arg(long, requires = "data", conflicts_with_all = ["strict", "text", "lines"])]
    pub(crate) bytes: bool,

    /// Send the bytes of a file beside DATA, in one message; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bytes", "lines"], value_hint = clap::ValueHint::FilePath)]
    pub(crate) attach: Option<PathBuf>,

    /// Send DATA as a string, also where it is JSON, and say nothing about it
    #[arg(long, requires = "data", conflicts_with = "strict")]
    pub(crate) text: bool,

    /// Refuse DATA that is not JSON, instead of sending it as a string
    #[arg(long, requires = "data")]
    pub(crate) strict: bool,

    /// Send each line of standard input as a message; DATA is -
    ///
    /// All go over one session, up to 64 at once, and replies are printed in the order of the lines. Lines
    /// of white space only are passed over, unless --text is given. A line that fails is told on standard
    /// error with its number (with --json in its place on standard output); the others are sent all the
    /// same, how many failed is said at the end, and the exit status is that of the first.
    #[arg(long, requires = "data")]
    pub(crate) lines: bool,

    /// Send a broadcast: done when the listener has it, no reply
    #[arg(long)]
    pub(crate) broadcast: bool,

    /// How long to wait for the reply: 5s, 200ms, 1m, or none for no limit
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    pub(crate) timeout: TimeLimit,

    #[command(flatten)]
    pub(crate) largest: Largest,

    #[command(flatten)]
    pub(crate) shared: Shared,

    /// Which dialect to speak: auto is native where the listener knows it, else deno
    #[arg(long, value_name = "WIRE", value_enum, default_value_t = Dialect::Auto)]
    pub(crate) wire: Dialect,

    /// Print the reply as an object with kind and body, bytes in base64, or both with the size of the bytes, and errors as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Args, Debug)]
pub(crate) struct Stream {
    #[command(flatten)]
    pub(crate) at: LiveChannel,

    /// What opens the stream: JSON, or text that is sent as a string; none is null
    #[arg(value_name = "DATA", allow_negative_numbers = true)]
    pub(crate) data: Option<OsString>,

    /// Send each line of this file as an item; - is standard input
    ///
    /// Lines of white space only are passed over, unless --text is given. They are read no faster than the
    /// listener takes them.
    #[arg(long, value_name = "FILE", conflicts_with = "bytes", value_hint = clap::ValueHint::FilePath)]
    pub(crate) items: Option<PathBuf>,

    /// Send standard input as bytes, in items of up to 64 KiB
    #[arg(long)]
    pub(crate) bytes: bool,

    /// Send DATA and lines as strings, also where they are JSON, and say nothing about it
    #[arg(long, conflicts_with = "strict")]
    pub(crate) text: bool,

    /// Refuse DATA or a line that is not JSON, instead of sending it as a string
    #[arg(long)]
    pub(crate) strict: bool,

    /// How long the whole stream may take: 5m, or none for no limit
    #[arg(long, value_name = "DURATION", default_value = "none")]
    pub(crate) timeout: TimeLimit,

    /// How long to wait for the listener to begin, for an item and for room to send: 5s; unless given 30s for the first and
    /// no limit for the others
    #[arg(long, value_name = "DURATION")]
    pub(crate) idle_timeout: Option<TimeLimit>,

    /// Print each item as an object with kind and body (or bytes in base64), and errors as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) largest: Largest,

    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Args, Debug)]
pub(crate) struct Ping {
    #[command(flatten)]
    pub(crate) at: LiveChannel,

    /// End after so many; without it Ctrl-C ends it
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// How long to wait from one to the next
    #[arg(long, short, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) interval: Duration,

    /// How long to wait for each reply: 5s, 200ms, 1m, or none for no limit
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    pub(crate) timeout: TimeLimit,

    /// Print one JSON object per reply and one at the end
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) reach: Reach,
}
