//! The library's options as the command line has them.

use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, Args};
use simple_ipc::{Options, Peers};

use crate::arguments::TimeLimit;

/// Longer than anything lasts, where the library has no word for 'no limit'.
const FOR_EVER: Duration = Duration::MAX;

/// Who may be at the other end.
#[derive(Args, Debug)]
#[command(next_help_heading = "Who may be at the other end")]
pub(crate) struct Trust {
    /// Let the user with this id be at the other end, besides root; may be given again. Your own is to be named, too
    #[arg(long, value_name = "UID", action = ArgAction::Append, conflicts_with = "allow_anyone", hide_short_help = true)]
    allow_user: Vec<u32>,

    /// Let every user of this machine be at the other end
    #[arg(long, hide_short_help = true)]
    allow_anyone: bool,
}

impl Trust {
    pub(crate) fn apply(&self, options: Options) -> Options {
        if self.allow_anyone {
            options.peers(Peers::Anyone)
        } else if self.allow_user.is_empty() {
            options
        } else {
            options.peers(Peers::uids(self.allow_user.iter().copied()))
        }
    }
}

/// How large a message may be.
#[derive(Args, Debug)]
pub(crate) struct Largest {
    /// The largest message that is sent or taken, such as 100000, 64KiB or 1GiB; the other side has a limit, too
    #[arg(long, value_name = "SIZE", default_value = "64MiB", hide_short_help = true)]
    max_message: Size,
}

impl Largest {
    pub(crate) fn bytes(&self) -> usize {
        self.max_message.0
    }

    pub(crate) fn apply(&self, options: Options) -> Options {
        options.max_message(self.bytes())
    }
}

/// Memory that is shared with the other side.
#[derive(Args, Debug)]
pub(crate) struct Shared {
    /// How much memory to share with the other side, on Linux: 0 for none, which is so unless $SIMPLE_IPC_SHARED_MEMORY says more
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    shared_memory: Option<Size>,
}

impl Shared {
    pub(crate) fn apply(&self, options: Options) -> Options {
        match self.shared_memory {
            Some(bytes) => options.shared_memory(bytes.0),
            None => options,
        }
    }
}

/// What only a listener has.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Bounds {
    /// The permission bits of the socket file, in octal; letting others in needs --allow-user or --allow-anyone, too
    #[arg(long, value_name = "MODE", default_value = "0600", hide_short_help = true)]
    mode: SocketMode,

    /// How long a closing listener waits for messages that are being answered: 5s, 1m, or none for no limit
    #[arg(long, value_name = "DURATION", default_value = "5s", hide_short_help = true)]
    grace: Patience,

    /// The most messages that are answered at the same time; more wait
    #[arg(long, value_name = "N", hide_short_help = true)]
    threads: Option<usize>,

    /// The most connections at once: 1024 unless given
    #[arg(long, value_name = "N", hide_short_help = true)]
    max_connections: Option<usize>,

    /// The most messages in flight, of all posters together: 16384 unless given
    #[arg(long, value_name = "N", hide_short_help = true)]
    max_in_flight: Option<usize>,

    /// The most messages in flight of one poster: 1024 unless given
    #[arg(long, value_name = "N", hide_short_help = true)]
    max_session_in_flight: Option<usize>,

    /// The most bytes that wait to be handled or read, of all posters together: 256MiB unless given
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    max_waiting: Option<Size>,

    /// The most bytes that wait to be handled or read, of one poster: 4MiB unless given
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    max_session_waiting: Option<Size>,

    /// How long a new connection may take to its first byte, and then to say who it is: 10s unless given
    #[arg(long, value_name = "DURATION", hide_short_help = true)]
    hello_timeout: Option<Patience>,

    /// How long a poster without a session may be silent inside a message: 30s unless given
    #[arg(long, value_name = "DURATION", hide_short_help = true)]
    stall_timeout: Option<Patience>,

    /// How often it looks whether its files still stand, and puts them back: every 30s unless given
    #[arg(long, value_name = "DURATION", hide_short_help = true)]
    check_interval: Option<Patience>,

    /// Whether to take plain text: unless given, yes on Unix sockets and no on ports
    #[arg(long, value_name = "YES|NO", value_parser = yes_or_no, hide_short_help = true)]
    plain_text: Option<bool>,

    /// How long to poll for the next message before waiting, where that has lately paid: 100us unless given, 0s for never
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, hide_short_help = true)]
    spin: Option<Duration>,
}

impl Bounds {
    pub(crate) fn apply(&self, options: Options) -> Options {
        fn with<T>(options: Options, value: Option<T>, set: impl FnOnce(Options, T) -> Options) -> Options {
            match value {
                Some(value) => set(options, value),
                None => options,
            }
        }
        let options = options.socket_mode(self.mode.0).grace(self.grace.0);
        let options = with(options, self.threads, Options::threads);
        let options = with(options, self.max_connections, Options::max_connections);
        let options = with(options, self.max_in_flight, Options::max_in_flight);
        let options = with(options, self.max_session_in_flight, Options::max_session_in_flight);
        let options = with(options, self.max_waiting.map(|size| size.0), Options::max_waiting);
        let options = with(options, self.max_session_waiting.map(|size| size.0), Options::max_session_waiting);
        let options = with(options, self.hello_timeout.map(|time| time.0), Options::hello_timeout);
        let options = with(options, self.stall_timeout.map(|time| time.0), Options::stall_timeout);
        let options = with(options, self.check_interval.map(|time| time.0), Options::check_interval);
        let options = with(options, self.plain_text, Options::plain_text);
        with(options, self.spin, Options::spin)
    }
}

/// What only a listener that publishes has.
#[derive(Args, Debug)]
pub(crate) struct Publishing {
    /// Keep the last event of each topic for those who subscribe later
    #[arg(long)]
    retain: bool,

    /// How long a publication may wait for subscribers that asked to be waited for: 5s, or none for no limit; not at all unless given
    #[arg(long, value_name = "DURATION")]
    patience: Option<Patience>,
}

impl Publishing {
    pub(crate) fn apply(&self, options: Options) -> Options {
        let options = options.retain(self.retain);
        match self.patience {
            Some(patience) => options.patience(patience.0),
            None => options,
        }
    }
}

/// A number of bytes, with KiB, MiB or GiB behind it, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
        let unit: usize = match &text[digits.len()..] {
            "" | "B" => 1,
            "KiB" | "K" | "k" => 1 << 10,
            "MiB" | "M" => 1 << 20,
            "GiB" | "G" => 1 << 30,
            other => return Err(format!("\"{other}\" is no unit; write 100000, 64KiB, 16MiB or 1GiB")),
        };
        let number: usize =
            digits.parse().map_err(|_| "a size is a number such as 100000, 64KiB, 16MiB or 1GiB".to_owned())?;
        number.checked_mul(unit).map(Size).ok_or_else(|| "this machine has no numbers of that size".to_owned())
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Permission bits as chmod takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SocketMode(u32);

impl FromStr for SocketMode {
    type Err = String;

    fn from_str(text: &str) -> Result<SocketMode, String> {
        match u32::from_str_radix(text, 8) {
            Ok(mode) if mode <= 0o777 && !text.starts_with('+') => Ok(SocketMode(mode)),
            _ => Err("permission bits are octal, from 0 to 0777".to_owned()),
        }
    }
}

/// A duration; none is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience(pub(crate) Duration);

impl FromStr for Patience {
    type Err = String;

    fn from_str(text: &str) -> Result<Patience, String> {
        match text {
            "none" => Ok(Patience(FOR_EVER)),
            _ => humantime::parse_duration(text).map(Patience).map_err(|error| error.to_string()),
        }
    }
}

/// What a call that reaches for a listener takes.
#[derive(Args, Debug)]
pub(crate) struct Reach {
    /// How long to wait for a listener to appear: 10s, or none for no limit; without it a missing one is an error at once
    #[arg(long, value_name = "DURATION")]
    wait: Option<Patience>,

    #[command(flatten)]
    trust: Trust,
}

impl Reach {
    pub(crate) fn apply(&self, options: Options, timeout: TimeLimit) -> Options {
        let options = self.trust.apply(timeout.apply(options));
        match self.wait {
            Some(wait) => options.wait(wait.0),
            None => options,
        }
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("it is yes or no".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in
            [("0", 0), ("100000", 100_000), ("64KiB", 65_536), ("2k", 2048), ("16MiB", 16 << 20), ("1G", 1 << 30)]
        {
            assert_eq!(text.parse::<Size>(), Ok(Size(bytes)), "{text}");
        }
        for bad in ["", "KiB", "-1", "1.5MiB", "1TB", "1 MiB", "99999999999999999999", "99999999999GiB"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn permission_bits_are_octal() {
        assert_eq!("0660".parse::<SocketMode>(), Ok(SocketMode(0o660)));
        assert_eq!("777".parse::<SocketMode>(), Ok(SocketMode(0o777)));
        for bad in ["", "0888", "1000", "-1", "+7", "rw"] {
            assert!(bad.parse::<SocketMode>().is_err(), "{bad}");
        }
    }
}
