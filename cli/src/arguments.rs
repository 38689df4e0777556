//! The command line: verbs, options, and the texts that `--help` and the man pages are made of.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use simple_ipc::{Options, Overflow, PathStyle, Wire};

use crate::completion::live_channels;
use crate::limits::{Bounds, Largest, Patience, Publishing, Reach, Size, Trust};
use crate::report::exit_status_text;

const LISTEN_USAGE: &str = "\
simple-ipc listen [OPTIONS] <CHANNEL> (--echo | --reply <JSON> | --exec <COMMAND>...)
       simple-ipc listen [OPTIONS] <CHANNEL> (--lines | --bytes) --exec <COMMAND>...
       simple-ipc listen [OPTIONS] <CHANNEL> --broadcast [--publish] [--exec <COMMAND>...]";

const LISTEN_EXAMPLES: &str = "\
Examples:
  simple-ipc listen example_channel --reply response-bar
  simple-ipc listen :49152 --echo --json
  simple-ipc listen builds --broadcast
  simple-ipc listen chat --broadcast --publish
  simple-ipc listen sums --exec jq add
  simple-ipc listen count --lines --exec seq 3
  simple-ipc listen backup --bytes --exec sh -c 'cat > backup.tar'";

const POST_EXAMPLES: &str = "\
Examples:
  simple-ipc post example_channel '\"request-foo\"'
  simple-ipc post sums '[1, 2, 3]' --timeout 2s
  simple-ipc post images - --bytes < in.png > out.png
  simple-ipc post builds '{\"ok\":true}' --broadcast --wait 10s
  simple-ipc post greetings 'good morning' --text
  simple-ipc post sums - --lines < tasks.jsonl > sums.jsonl";

const PUBLISH_EXAMPLES: &str = "\
Examples:
  vmstat 1 | simple-ipc publish load
  simple-ipc publish prices --topic eur --retain < prices.jsonl
  seq 3 | simple-ipc publish numbers --wait-for 1";

const SUBSCRIBE_EXAMPLES: &str = "\
Examples:
  simple-ipc subscribe load
  simple-ipc subscribe prices --topic eur --topic usd --json
  simple-ipc subscribe numbers --wait 10s --count 3";

const STREAM_EXAMPLES: &str = "\
Examples:
  simple-ipc stream count
  seq 5 | simple-ipc stream total --items -
  simple-ipc stream backup --bytes < backup.tar
  simple-ipc stream images '{\"name\":\"a.png\"}' > a.png";

const STATS_EXAMPLES: &str = "\
Examples:
  simple-ipc stats example_channel
  simple-ipc stats example_channel --watch 5s";

const TAP_EXAMPLES: &str = "\
Examples:
  simple-ipc listen example_channel --echo --tap
  simple-ipc tap example_channel
  simple-ipc tap example_channel --json --count 100 > passed.jsonl";

const BENCH_EXAMPLES: &str = "\
Exit status is that of the first failure.

Examples:
  simple-ipc bench example_channel
  simple-ipc bench example_channel '{\"n\":1}' --parallel 8 --time 10s";

const DOCTOR_EXAMPLES: &str = "\
Exit status is 1 when a problem was found.

Examples:
  simple-ipc doctor
  simple-ipc doctor example_channel
  simple-ipc doctor --json";

const PING_EXAMPLES: &str = "\
Exit status is 1 when no reply came back.

Examples:
  simple-ipc ping example_channel --count 5";

/// Processes on one machine talk by naming a channel
///
/// A channel has one listener and any number of posters. A request gets a reply, a broadcast gets
/// none; what a listener publishes reaches all who subscribe. Messages are JSON values or bytes.
#[derive(Debug, Parser)]
#[command(name = "simple-ipc", bin_name = "simple-ipc", version, after_long_help = exit_status_text(),
          subcommand_required = true, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Where the sockets are and how they are called.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Place {
    /// The directory of the sockets, instead of $SIMPLE_IPC_DIR or /tmp
    #[arg(long, global = true, overrides_with = "dir", value_name = "DIRECTORY", value_hint = clap::ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,

    /// How the socket of a named channel is called, to talk with older Simple IPC programs
    #[arg(long, global = true, value_name = "STYLE", value_enum, default_value_t = Style::V0_0_1)]
    pub(crate) path_style: Style,
}

impl Place {
    /// The options that every call starts from.
    pub(crate) fn options(&self) -> Options {
        let options = Options::new().path_style(self.path_style.into());
        match &self.dir {
            Some(dir) => options.directory(dir),
            None => options,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Listen on a channel and answer what arrives
    ///
    /// Each message is printed on standard output as one line of JSON. Ctrl-C and SIGTERM close the
    /// listener in order: messages that were taken are answered first, for as long as --grace says.
    /// A second Ctrl-C ends it at once.
    #[command(after_long_help = LISTEN_EXAMPLES, override_usage = LISTEN_USAGE)]
    Listen(Listen),
    /// Send one message to a channel and print the reply
    ///
    /// A JSON reply is printed as one line of JSON. A bytes reply is written as it is.
    #[command(after_long_help = POST_EXAMPLES)]
    Post(Post),
    /// Open a stream: items to a listener and from it, one after the other
    ///
    /// DATA opens it, as a request does. Each JSON item that comes is printed as one line, a bytes item is
    /// written as it is. It goes on until the listener ends it, and takes no more than it can print:
    /// whoever reads the output slowly slows the listener down. Ctrl-C, or a reader of the output that
    /// leaves, cancels it.
    #[command(after_long_help = STREAM_EXAMPLES)]
    Stream(Stream),
    /// Publish each line of standard input to all who subscribe
    ///
    /// Listens on the channel until the end of the input, Ctrl-C or SIGTERM, and then delivers what
    /// subscribers have not had yet, for as long as --grace says. A line is JSON, or text that is
    /// published as a string; lines of white space only are passed over, unless --text or --bytes is
    /// given. Without a subscriber an event goes nowhere.
    #[command(after_long_help = PUBLISH_EXAMPLES)]
    Publish(Publish),
    /// Print what a channel publishes
    ///
    /// Each event is one line of JSON, bytes an object with their base64. It goes on until Ctrl-C or
    /// SIGTERM, through restarts of the publisher. Events that were missed are told on standard error
    /// before the next one.
    #[command(after_long_help = SUBSCRIBE_EXAMPLES)]
    Subscribe(Subscribe),
    /// List the channels that somebody listens on
    ///
    /// A mode that this version does not know is shown as the listener calls it, or as unknown. For a
    /// listener that publishes it is shown how many subscribe.
    Ls(Ls),
    /// Remove what dead listeners left: their sockets and lock files
    ///
    /// A listener that ends in order leaves nothing, and one that starts takes over what stands in its
    /// place. This is for channels on which nobody may ever listen again. A lock file is removed, with its
    /// socket, only if it is of this user, reads like one of this library, is held by nobody, and nobody
    /// listens at its address. Everything else stays.
    Clean(Clean),
    /// Measure round-trip times to a channel's listener
    ///
    /// Works with listeners of this library; the handler is not called.
    #[command(after_long_help = PING_EXAMPLES)]
    Ping(Ping),
    /// Show what a live listener has counted
    ///
    /// The listener tells it itself; its handler is not called, and may be busy. Any process may ask that may
    /// connect. A listener of a version that does not tell of itself is an error.
    #[command(after_long_help = STATS_EXAMPLES)]
    Stats(Stats),
    /// Show what passes at a live listener: messages, answers, items
    ///
    /// The listener must allow it: `listen --tap`, or the option `tap` in any language. It shows that to
    /// processes of its own user and of root alone. It goes on until Ctrl-C, through restarts of the
    /// listener. The listener waits for nobody who looks on: what was missed is told before the next line.
    #[command(after_long_help = TAP_EXAMPLES)]
    Tap(Tap),
    /// Measure how long messages to a channel take, and how many go in a second
    ///
    /// Without DATA it pings, and the handler is not called. With DATA it posts requests (or broadcasts),
    /// which the handler gets like any other. Ctrl-C ends it with what was measured.
    #[command(after_long_help = BENCH_EXAMPLES)]
    Bench(Bench),
    /// Look for what keeps channels from working, and say what to do about it
    ///
    /// Looks at the directory of the sockets and listens in it for a moment, at what dead listeners left, at
    /// limits, at containers and user namespaces, and at each live listener: who it is, its version, whether it
    /// answers, and how near its limits it is. With CHANNEL it says who holds that one.
    #[command(after_long_help = DOCTOR_EXAMPLES)]
    Doctor(Doctor),
    /// Carry channels between machines, over NATS
    ///
    /// Runs the program simple-ipc-bridge with these arguments; it is installed by itself. With --help it
    /// tells its own.
    #[command(disable_help_flag = true)]
    Bridge(Bridge),
    /// Write the man pages and the shell completions into a directory
    #[command(hide = true)]
    Generate(Generate),
}

#[derive(Args, Debug)]
pub(crate) struct Listen {
    /// A name, a port such as :49152 (:0 picks a free one), or a path with a slash such as ./x.sock
    #[arg(value_name = "CHANNEL")]
    pub(crate) channel: String,

    /// Answer each request with its own body, and each stream with its own items
    #[arg(long, group = "answer")]
    pub(crate) echo: bool,

    /// Answer each request with this JSON; text that is not JSON is a string
    #[arg(long, value_name = "JSON", group = "answer", allow_hyphen_values = true)]
    pub(crate) reply: Option<String>,

    /// Run this command for each message; it comes last, everything after it is the command's
    ///
    /// The command is run directly, without a shell. It gets the body on its standard input (JSON
    /// text, or the bytes) and SIMPLE_IPC_CHANNEL, SIMPLE_IPC_KIND (json or bytes),
    /// SIMPLE_IPC_PEER_UID and SIMPLE_IPC_PEER_PID in its environment. Its standard output is the
    /// reply: JSON if it is JSON, otherwise a string without its last newline; bytes if the request
    /// was bytes. An exit status other than 0 is an error for the caller, with the last line of its
    /// standard error. It is terminated when the caller has gone or its time is over. With
    /// --broadcast its output is not used.
    #[arg(long, value_name = "COMMAND", group = "answer", num_args = 1.., allow_hyphen_values = true,
          value_hint = clap::ValueHint::CommandName)]
    pub(crate) exec: Option<Vec<OsString>>,

    /// Answer streams: each line that the command prints is an item, when it is printed
    ///
    /// A line is JSON, or text that is sent as a string; lines of white space only are passed over. The
    /// command's standard input gets the caller's items, a line each, and ends with them. The message that
    /// opens the stream is in its environment, as SIMPLE_IPC_MESSAGE.
    #[arg(long, requires = "exec", conflicts_with_all = ["broadcast", "bytes"])]
    pub(crate) lines: bool,

    /// Answer streams with the bytes that the command prints, and give it the caller's items as they are
    ///
    /// A piece of up to 64 KiB is an item, when it is printed. The message that opens the stream is in the
    /// command's environment, as SIMPLE_IPC_MESSAGE.
    #[arg(long, requires = "exec", conflicts_with = "broadcast")]
    pub(crate) bytes: bool,

    /// Listen for broadcasts, which get no reply
    #[arg(long, conflicts_with_all = ["echo", "reply"])]
    pub(crate) broadcast: bool,

    #[command(flatten)]
    pub(crate) hub: Hub,

    /// Let processes of this user, and root, see what passes: messages, answers and items (simple-ipc tap)
    #[arg(long)]
    pub(crate) tap: bool,

    /// Print each message as an object with channel, kind, body (or bytes in base64) and peer
    #[arg(long)]
    pub(crate) json: bool,

    /// End after the first message has been answered
    #[arg(long)]
    pub(crate) once: bool,

    /// Print neither the messages nor the line that says that the listener is ready
    #[arg(long, short)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) largest: Largest,

    #[command(flatten)]
    pub(crate) bounds: Bounds,

    #[command(flatten)]
    pub(crate) trust: Trust,
}

/// A listener for broadcasts that passes on what it gets.
#[derive(Args, Debug)]
pub(crate) struct Hub {
    /// Publish each broadcast to all who subscribe to this channel: many post, many hear it
    #[arg(long, requires = "broadcast", conflicts_with_all = ["echo", "reply"])]
    pub(crate) publish: bool,

    #[command(flatten)]
    pub(crate) publishing: Publishing,
}

#[derive(Args, Debug)]
pub(crate) struct Publish {
    /// A name, a port such as :49152 (:0 picks a free one), or a path with a slash such as ./x.sock
    #[arg(value_name = "CHANNEL")]
    pub(crate) channel: String,

    /// The topic of every event; subscribers can ask for some topics only
    #[arg(long, value_name = "TOPIC", default_value = "", hide_default_value = true)]
    pub(crate) topic: String,

    /// Publish each line as bytes, as it is
    #[arg(long, conflicts_with_all = ["strict", "text"])]
    pub(crate) bytes: bool,

    /// Publish each line as a string, also where it is JSON, and say nothing about it
    #[arg(long, conflicts_with = "strict")]
    pub(crate) text: bool,

    /// Refuse a line that is not JSON, instead of publishing it as a string
    #[arg(long)]
    pub(crate) strict: bool,

    /// Read nothing before so many have subscribed
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) wait_for: u64,

    /// Errors and notes are JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Do not print the line that says that the listener is ready
    #[arg(long, short)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) publishing: Publishing,

    #[command(flatten)]
    pub(crate) largest: Largest,

    #[command(flatten)]
    pub(crate) bounds: Bounds,

    #[command(flatten)]
    pub(crate) trust: Trust,
}

#[derive(Args, Debug)]
pub(crate) struct Subscribe {
    /// A name, a port such as :49152, or a path with a slash such as ./x.sock
    #[arg(value_name = "CHANNEL", add = ArgValueCompleter::new(live_channels))]
    pub(crate) channel: String,

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
    /// A name, a port such as :49152, or a path with a slash such as ./x.sock
    #[arg(value_name = "CHANNEL", add = ArgValueCompleter::new(live_channels))]
    pub(crate) channel: String,

    /// The message: JSON, or text that is sent as a string; - reads standard input; none is null
    #[arg(value_name = "DATA", allow_negative_numbers = true)]
    pub(crate) data: Option<OsString>,

    /// Send DATA as bytes, as it is
    #[arg(long, requires = "data", conflicts_with_all = ["strict", "text", "lines"])]
    pub(crate) bytes: bool,

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

    /// Which dialect to speak: auto is native where the listener knows it, else deno
    #[arg(long, value_name = "WIRE", value_enum, default_value_t = Dialect::Auto)]
    pub(crate) wire: Dialect,

    /// Print the reply as an object with kind and body (or bytes in base64), and errors as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Args, Debug)]
pub(crate) struct Stream {
    /// A name, a port such as :49152, or a path with a slash such as ./x.sock
    #[arg(value_name = "CHANNEL", add = ArgValueCompleter::new(live_channels))]
    pub(crate) channel: String,

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
    /// A name, a port such as :49152, or a path with a slash such as ./x.sock
    #[arg(value_name = "CHANNEL", add = ArgValueCompleter::new(live_channels))]
    pub(crate) channel: String,

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
    /// A name, a port such as :49152, or a path with a slash such as ./x.sock
    #[arg(value_name = "CHANNEL", add = ArgValueCompleter::new(live_channels))]
    pub(crate) channel: String,

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
    /// A name, a port such as :49152, or a path with a slash such as ./x.sock
    #[arg(value_name = "CHANNEL", add = ArgValueCompleter::new(live_channels))]
    pub(crate) channel: String,

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

#[derive(Args, Debug)]
pub(crate) struct Clean {
    /// Print one JSON object per channel, with the paths that are gone
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Ping {
    /// A name, a port such as :49152, or a path with a slash such as ./x.sock
    #[arg(value_name = "CHANNEL", add = ArgValueCompleter::new(live_channels))]
    pub(crate) channel: String,

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

#[derive(Args, Debug)]
pub(crate) struct Bridge {
    /// What simple-ipc-bridge is told
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct Generate {
    /// The directory, which must exist
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
}

/// A duration, or none for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeLimit(pub(crate) Option<Duration>);

impl FromStr for TimeLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<TimeLimit, String> {
        if text == "none" {
            return Ok(TimeLimit(None));
        }
        match humantime::parse_duration(text) {
            Ok(Duration::ZERO) => Err("no answer comes in no time; none is for no limit".to_owned()),
            Ok(limit) => Ok(TimeLimit(Some(limit))),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl TimeLimit {
    pub(crate) fn apply_idle(self, options: Options) -> Options {
        options.idle_timeout(self.0.unwrap_or(Duration::MAX))
    }

    pub(crate) fn apply(self, options: Options) -> Options {
        match self.0 {
            Some(limit) => options.timeout(limit),
            None => options.no_timeout(),
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Dialect {
    Auto,
    Native,
    Deno,
}

impl From<Dialect> for Wire {
    fn from(dialect: Dialect) -> Wire {
        match dialect {
            Dialect::Auto => Wire::Auto,
            Dialect::Native => Wire::Native,
            Dialect::Deno => Wire::Deno,
        }
    }
}

/// The versions of the original that changed the file name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Style {
    /// .deno.NAME.socket: this library, and the original's v0.0.1 and v0.0.2
    #[value(name = "v0.0.1")]
    V0_0_1,
    /// .NAME.socket: the original's v0.0.3 and v0.0.4
    #[value(name = "v0.0.3")]
    V0_0_3,
    /// .NAME.sock: the original's v0.0.5 to v0.0.13
    #[value(name = "v0.0.5")]
    V0_0_5,
    /// NAME.sock: the original's v0.0.14
    #[value(name = "v0.0.14")]
    V0_0_14,
}

impl From<Style> for PathStyle {
    fn from(style: Style) -> PathStyle {
        match style {
            Style::V0_0_1 => PathStyle::V0_0_1,
            Style::V0_0_3 => PathStyle::V0_0_3,
            Style::V0_0_5 => PathStyle::V0_0_5,
            Style::V0_0_14 => PathStyle::V0_0_14,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn everything_after_exec_belongs_to_the_command() {
        let line = ["simple-ipc", "listen", "x", "--once", "--exec", "cmd", "-v", "--json", "--", "a b", "--dir", "d"];
        let arguments = Arguments::try_parse_from(line).unwrap();
        let Verb::Listen(listen) = arguments.verb else { panic!("not listen") };
        assert!(listen.once && !listen.json);
        assert_eq!(listen.exec.unwrap(), ["cmd", "-v", "--json", "--", "a b", "--dir", "d"]);
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        let limit = |text: &str| text.parse::<TimeLimit>().map(|limit| limit.0);
        assert_eq!(limit("5s"), Ok(Some(Duration::from_secs(5))));
        assert_eq!(limit("200ms"), Ok(Some(Duration::from_millis(200))));
        assert_eq!(limit("1m"), Ok(Some(Duration::from_secs(60))));
        assert_eq!(limit("none"), Ok(None));
        for bad in ["", "5", "-5s", "0s", "soon"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_negative_number_and_a_lone_dash_are_data() {
        for data in ["-5", "-1.5e3", "-"] {
            let arguments = Arguments::try_parse_from(["simple-ipc", "post", "x", data]).unwrap();
            let Verb::Post(post) = arguments.verb else { panic!("not post") };
            assert_eq!(post.data.unwrap(), data);
        }
    }
}
