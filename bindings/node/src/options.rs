//! Options from JavaScript's object. `lib/options.cjs` has checked their types; the core checks their sense.

use std::time::Duration;

use napi::bindgen_prelude::Either;
use napi_derive::napi;
use simple_ipc::{
    DEFAULT_GRACE, DEFAULT_MAX_SESSION_WAITING, Error, ErrorKind, Options, Overflow, PathStyle, Peers, Result, Wire,
};

/// The options that are not left out.
#[napi(object)]
#[derive(Default)]
pub struct OptionsObject {
    /// Milliseconds; infinite for no limit.
    pub timeout: Option<f64>,
    /// Milliseconds; infinite for no limit.
    pub idle_timeout: Option<f64>,
    /// `auto`, `native` or `deno`.
    pub wire: Option<String>,
    /// Milliseconds.
    pub wait: Option<f64>,
    /// Where sockets and lock files are.
    pub directory: Option<String>,
    /// The socket's full path.
    pub path: Option<String>,
    /// `v0.0.1`, `v0.0.3`, `v0.0.5` or `v0.0.14`.
    pub path_style: Option<String>,
    /// Permission bits of the socket's file.
    pub socket_mode: Option<f64>,
    /// Bytes.
    pub max_message: Option<f64>,
    /// Bytes.
    pub shared_memory: Option<f64>,
    /// How many at once.
    pub max_connections: Option<f64>,
    /// Messages of one session.
    pub max_session_in_flight: Option<f64>,
    /// Messages of all sessions.
    pub max_in_flight: Option<f64>,
    /// Bytes of one session.
    pub max_session_waiting: Option<f64>,
    /// Bytes of all sessions.
    pub max_waiting: Option<f64>,
    /// Milliseconds.
    pub hello_timeout: Option<f64>,
    /// Milliseconds.
    pub stall_timeout: Option<f64>,
    /// `same-user`, `anyone`, or user ids.
    pub peers: Option<Either<String, Vec<f64>>>,
    /// Milliseconds.
    pub grace: Option<f64>,
    /// Whether plain text is taken.
    pub plain_text: Option<bool>,
    /// Milliseconds.
    pub check_interval: Option<f64>,
    /// Whether subscribers are taken beside messages.
    pub publish: Option<bool>,
    /// Whether what passes may be seen.
    pub tap: Option<bool>,
    /// Whether new subscribers get each topic's last event.
    pub retain: Option<bool>,
    /// Milliseconds.
    pub patience: Option<f64>,
    /// The topics that are wanted.
    pub topics: Option<Vec<String>>,
    /// `fail`, `drop_oldest` or `block`.
    pub overflow: Option<String>,
    /// Bytes that may wait at the publisher.
    pub queue: Option<f64>,
    /// Milliseconds; infinite for no limit.
    pub reconnect: Option<f64>,
}

impl OptionsObject {
    /// The most bytes of events that wait to be published, where they are more than one.
    pub(crate) fn most_unpublished(&self) -> usize {
        let most = self.max_session_waiting.and_then(|bytes| whole(bytes, "maxSessionWaiting").ok());
        most.map_or(DEFAULT_MAX_SESSION_WAITING, |bytes| bytes as usize)
    }

    /// How long handlers may take to end when their listener closes.
    pub(crate) fn grace_period(&self) -> Duration {
        self.grace.map_or(DEFAULT_GRACE, |grace| duration(grace).unwrap_or(LONG))
    }

    /// Takes out what is about publishing and subscribing.
    fn publication(&mut self) -> Result<Options> {
        let mut options = Options::new();
        if let Some(publish) = self.publish {
            options = options.publish(publish);
        }
        if let Some(retain) = self.retain {
            options = options.retain(retain);
        }
        if let Some(patience) = self.patience {
            options = options.patience(duration(patience).unwrap_or(LONG));
        }
        if let Some(topics) = self.topics.take() {
            options = options.topics(topics);
        }
        if let Some(overflow) = self.overflow.take() {
            let known = Overflow::from_name(&overflow);
            options =
                options.overflow(known.ok_or_else(|| unknown("overflow", &overflow, "fail, drop_oldest and block"))?);
        }
        if let Some(bytes) = self.queue {
            options = options.queue(whole(bytes, "queue")? as usize);
        }
        if let Some(reconnect) = self.reconnect {
            options = match duration(reconnect) {
                Some(reconnect) => options.reconnect(reconnect),
                None => options.no_reconnect_limit(),
            };
        }
        Ok(options)
    }

    pub(crate) fn into_options(mut self) -> Result<Options> {
        let mut options = self.publication()?;
        if let Some(timeout) = self.timeout {
            options = match duration(timeout) {
                Some(timeout) => options.timeout(timeout),
                None => options.no_timeout(),
            };
        }
        if let Some(timeout) = self.idle_timeout {
            options = options.idle_timeout(duration(timeout).unwrap_or(LONG));
        }
        if let Some(wire) = self.wire {
            options = options.wire(match wire.as_str() {
                "auto" => Wire::Auto,
                "native" => Wire::Native,
                "deno" => Wire::Deno,
                _ => return Err(unknown("wire", &wire, "auto, native and deno")),
            });
        }
        if let Some(style) = self.path_style {
            options = options.path_style(match style.as_str() {
                "v0.0.1" => PathStyle::V0_0_1,
                "v0.0.3" => PathStyle::V0_0_3,
                "v0.0.5" => PathStyle::V0_0_5,
                "v0.0.14" => PathStyle::V0_0_14,
                _ => return Err(unknown("pathStyle", &style, "v0.0.1, v0.0.3, v0.0.5 and v0.0.14")),
            });
        }
        match self.peers {
            None => {}
            Some(Either::A(who)) => {
                options = options.peers(match who.as_str() {
                    "same-user" => Peers::SameOwner,
                    "anyone" => Peers::Anyone,
                    _ => return Err(unknown("peers", &who, "same-user, anyone and a list of user ids")),
                });
            }
            Some(Either::B(users)) => {
                let users = users.into_iter().map(|user| whole(user, "peers")).collect::<Result<Vec<u32>>>()?;
                options = options.peers(Peers::uids(users));
            }
        }
        // What is longer than a duration can say never comes.
        if let Some(wait) = self.wait {
            options = options.wait(duration(wait).unwrap_or(LONG));
        }
        if let Some(grace) = self.grace {
            options = options.grace(duration(grace).unwrap_or(LONG));
        }
        if let Some(interval) = self.check_interval {
            options = options.check_interval(duration(interval).unwrap_or(LONG));
        }
        if let Some(directory) = self.directory {
            options = options.directory(directory);
        }
        if let Some(path) = self.path {
            options = options.path(path);
        }
        if let Some(mode) = self.socket_mode {
            options = options.socket_mode(whole(mode, "socketMode")?);
        }
        if let Some(bytes) = self.max_message {
            options = options.max_message(whole(bytes, "maxMessage")? as usize);
        }
        if let Some(bytes) = self.shared_memory {
            options = options.shared_memory(whole(bytes, "sharedMemory")? as usize);
        }
        if let Some(connections) = self.max_connections {
            options = options.max_connections(whole(connections, "maxConnections")? as usize);
        }
        if let Some(messages) = self.max_session_in_flight {
            options = options.max_session_in_flight(whole(messages, "maxSessionInFlight")? as usize);
        }
        if let Some(messages) = self.max_in_flight {
            options = options.max_in_flight(whole(messages, "maxInFlight")? as usize);
        }
        if let Some(bytes) = self.max_session_waiting {
            options = options.max_session_waiting(whole(bytes, "maxSessionWaiting")? as usize);
        }
        if let Some(bytes) = self.max_waiting {
            options = options.max_waiting(whole(bytes, "maxWaiting")? as usize);
        }
        if let Some(timeout) = self.hello_timeout {
            options = options.hello_timeout(duration(timeout).unwrap_or(LONG));
        }
        if let Some(timeout) = self.stall_timeout {
            options = options.stall_timeout(duration(timeout).unwrap_or(LONG));
        }
        if let Some(accept) = self.plain_text {
            options = options.plain_text(accept);
        }
        if let Some(allow) = self.tap {
            options = options.tap(allow);
        }
        Ok(options)
    }
}

/// A year: longer than any of these waits can be meant, and short enough to be added to a clock.
const LONG: Duration = Duration::from_secs(365 * 24 * 3600);

/// Milliseconds as a duration; `None` for what is longer than a year.
pub(crate) fn duration(milliseconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(milliseconds / 1000.0).ok().filter(|duration| *duration <= LONG)
}

fn whole(number: f64, name: &str) -> Result<u32> {
    if number.fract() != 0.0 || !(0.0..=f64::from(u32::MAX)).contains(&number) {
        let why = format!("option {name} is {number}: use a whole number from 0 to {}", u32::MAX);
        return Err(Error::new(ErrorKind::InvalidArgument, why));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in the range")]
    Ok(number as u32)
}

fn unknown(name: &str, value: &str, choices: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("option {name} is \"{value}\": the choices are {choices}"))
}
