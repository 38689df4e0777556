//! The command line: verbs, options, and the texts that `--help` and the man pages are made of.

mod calling;
mod listening;
mod operating;

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use simple_ipc::{Options, PathStyle, Wire};

use self::calling::{PING_EXAMPLES, POST_EXAMPLES, STREAM_EXAMPLES, SUBSCRIBE_EXAMPLES};
pub(crate) use self::calling::{Ping, Post, Stream, Subscribe};
use self::listening::{LISTEN_EXAMPLES, LISTEN_USAGE, PUBLISH_EXAMPLES};
pub(crate) use self::listening::{Listen, Publish};
use self::operating::{BENCH_EXAMPLES, DOCTOR_EXAMPLES, STATS_EXAMPLES, TAP_EXAMPLES};
pub(crate) use self::operating::{Bench, Doctor, Ls, Stats, Tap};
use crate::completion::live_channels;
use crate::report::exit_status_text;

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

/// The channel of a live listener, which a shell completes.
#[derive(Args, Debug)]
pub(crate) struct LiveChannel {
    /// A name, a port such as :49152, or a path with a slash such as ./x.sock
    #[arg(value_name = "CHANNEL", add = ArgValueCompleter::new(live_channels))]
    pub(crate) channel: String,
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
pub(crate) struct Clean {
    /// Print one JSON object per channel, with the paths that are gone
    #[arg(long)]
    pub(crate) json: bool,
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
