//! What the verbs take that listen: listen, publish.

use std::ffi::OsString;

use clap::Args;

use crate::limits::{Bounds, Largest, Publishing, Shared, Trust};

pub(super) const LISTEN_USAGE: &str = "\
simple-ipc listen [OPTIONS] <CHANNEL> (--echo | --reply <JSON> | --exec <COMMAND>...)
       simple-ipc listen [OPTIONS] <CHANNEL> (--lines | --bytes) --exec <COMMAND>...
       simple-ipc listen [OPTIONS] <CHANNEL> --broadcast [--publish] [--exec <COMMAND>...]";

pub(super) const LISTEN_EXAMPLES: &str = "\
Examples:
  simple-ipc listen example_channel --reply response-bar
  simple-ipc listen :49152 --echo --json
  simple-ipc listen builds --broadcast
  simple-ipc listen chat --broadcast --publish
  simple-ipc listen sums --exec jq add
  simple-ipc listen count --lines --exec seq 3
  simple-ipc listen backup --bytes --exec sh -c 'cat > backup.tar'";

pub(super) const PUBLISH_EXAMPLES: &str = "\
Examples:
  vmstat 1 | simple-ipc publish load
  simple-ipc publish prices --topic eur --retain < prices.jsonl
  seq 3 | simple-ipc publish numbers --wait-for 1";

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
    pub(crate) shared: Shared,

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
