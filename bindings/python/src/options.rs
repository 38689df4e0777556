//! Keyword arguments to options, under core's names.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};
use simple_ipc::{Call, Channel, ErrorKind, Options, Overflow, PathStyle, Peers, Wire};

use crate::body::type_name;
use crate::cancellation::Cancellation;
use crate::error::{exception, of_kind};

/// What takes keyword arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taker {
    /// A post, or a client that is opened.
    Caller,
    /// The same on an event loop, where the task is cancelled and not the call.
    CallerOnLoop,
    /// A stream, or a client that is opened, which opens streams.
    Streamer,
    /// The same on an event loop, where the task is cancelled and not the call.
    StreamerOnLoop,
    /// A listener with a handler.
    Listener,
    /// A listener that only publishes.
    Publisher,
    Subscriber,
    /// A subscription on an event loop, where the task is cancelled and not the call.
    SubscriberOnLoop,
}

const ANYBODYS: [&str; 7] = ["directory", "path", "path_style", "max_message", "peers", "spin", "shared_memory"];
const CALLERS: [&str; 4] = ["timeout", "wait", "wire", "cancellation"];
/// That of streams.
const IDLE_TIMEOUT: &str = "idle_timeout";
const SUBSCRIBERS: [&str; 4] = ["topics", "overflow", "queue", "reconnect"];
/// Those of listeners that concern nobody but a handler and those who post to it.
const HANDLERS: [&str; 6] = ["max_session_in_flight", "max_in_flight", "plain_text", "threads", "publish", "tap"];

/// Options from keyword arguments.
pub(crate) fn options(keywords: &Bound<'_, PyDict>, taker: Taker) -> PyResult<Options> {
    let mut options = Options::new();
    for (name, value) in keywords.iter() {
        let name: String = name.extract()?;
        let set = set(options, &name, &value).map_err(|error| of_option(value.py(), &name, error))?;
        options = check_taker(&name, taker).map(|()| set)?;
        if name == "timeout" {
            check_time(value.py(), timeout(&value)?)?;
        }
    }
    Ok(options)
}

/// Refuses an option that would change nothing where it stands.
fn check_taker(name: &str, taker: Taker) -> PyResult<()> {
    let listens = matches!(taker, Taker::Listener | Taker::Publisher);
    let subscribes = matches!(taker, Taker::Subscriber | Taker::SubscriberOnLoop);
    let streams = matches!(taker, Taker::Streamer | Taker::StreamerOnLoop);
    let (of_callers, of_subscribers) = (CALLERS.contains(&name), SUBSCRIBERS.contains(&name));
    let text = match taker {
        _ if ANYBODYS.contains(&name) || (subscribes && of_subscribers) => return Ok(()),
        _ if name == IDLE_TIMEOUT && streams => return Ok(()),
        _ if name == IDLE_TIMEOUT => "is for streams and clients; give it to post_…_stream or connect",
        _ if of_subscribers => "is for subscriptions; give it to subscribe_…",
        _ if listens && of_callers => "is for posts and clients; a listener has nothing to do with it",
        Taker::CallerOnLoop | Taker::StreamerOnLoop | Taker::SubscriberOnLoop if name == "cancellation" => {
            "is for calls that block; cancel the task instead"
        }
        Taker::Publisher if HANDLERS.contains(&name) => "is for listeners with a handler; this one only publishes",
        _ if listens || of_callers => return Ok(()),
        _ => "is for listeners; give it to listen_…",
    };
    Err(PyTypeError::new_err(format!("option '{name}' {text}")))
}

/// What a client's call is given by itself.
#[derive(Default)]
struct Given {
    timeout: Option<Option<Duration>>,
    cancellation: Option<simple_ipc::Cancellation>,
}

impl From<Given> for Call {
    fn from(given: Given) -> Call {
        let mut call = Call::new();
        if let Some(timeout) = given.timeout {
            call = call.timeout(timeout);
        }
        if let Some(cancellation) = given.cancellation {
            call = call.cancellation(&cancellation);
        }
        call
    }
}

fn given(keywords: &Bound<'_, PyDict>, taker: Taker) -> PyResult<Given> {
    let mut given = Given::default();
    for (name, value) in keywords.iter() {
        let name: String = name.extract()?;
        let named = |error| of_option(value.py(), &name, error);
        match name.as_str() {
            "timeout" => given.timeout = Some(timeout(&value).map_err(named)?),
            "cancellation" if taker == Taker::Caller => given.cancellation = cancellation(&value).map_err(named)?,
            _ => {
                set(Options::new(), &name, &value).map_err(named)?;
                check_taker(&name, taker)?;
                let takes = if taker == Taker::Caller { "'timeout' and 'cancellation'" } else { "'timeout'" };
                let text = format!("option '{name}': a client's call takes {takes} only");
                return Err(PyTypeError::new_err(text));
            }
        }
    }
    Ok(given)
}

/// The options of a stream of a client that has these.
pub(crate) fn stream_options(clients: Options, keywords: &Bound<'_, PyDict>, taker: Taker) -> PyResult<Options> {
    let mut options = clients;
    for (name, value) in keywords.iter() {
        let name: String = name.extract()?;
        let set = set(options, &name, &value).map_err(|error| of_option(value.py(), &name, error))?;
        check_taker(&name, taker)?;
        if !matches!(name.as_str(), "timeout" | IDLE_TIMEOUT | "cancellation") {
            let more =
                if taker == Taker::Streamer { ", 'idle_timeout' and 'cancellation'" } else { " and 'idle_timeout'" };
            let text = format!("option '{name}': a client's stream takes 'timeout'{more} only");
            return Err(PyTypeError::new_err(text));
        }
        if name == "timeout" {
            check_time(value.py(), timeout(&value)?)?;
        }
        options = set;
    }
    Ok(options)
}

/// A call without any time fails, whatever would have come of it: else it would hang on how the caller waits.
fn check_time(py: Python<'_>, timeout: Option<Duration>) -> PyResult<()> {
    if timeout == Some(Duration::ZERO) {
        let text = "no answer can come within a timeout of 0 s, so nothing was sent; allow some time";
        return Err(of_kind(py, ErrorKind::TimedOut, text));
    }
    Ok(())
}

/// The options of a client's call that is about an answer.
pub(crate) fn call_options(keywords: Option<&Bound<'_, PyDict>>, taker: Taker) -> PyResult<Call> {
    let Some(keywords) = keywords else { return Ok(Call::new()) };
    let given = given(keywords, taker)?;
    check_time(keywords.py(), given.timeout.flatten())?;
    Ok(given.into())
}

/// Those of `close`, which closes within no time, too.
pub(crate) fn close_options(keywords: Option<&Bound<'_, PyDict>>, taker: Taker) -> PyResult<Call> {
    keywords.map_or_else(|| Ok(Call::new()), |keywords| given(keywords, taker).map(Call::from))
}

/// The timeout of a request on an event loop, where it is given.
pub(crate) fn request_timeout(keywords: &Bound<'_, PyDict>) -> PyResult<Option<Option<Duration>>> {
    let given = given(keywords, Taker::CallerOnLoop)?.timeout;
    check_time(keywords.py(), given.flatten())?;
    Ok(given)
}

/// Says which option is of the wrong type: Python's own text does not.
fn of_option(py: Python<'_>, name: &str, error: PyErr) -> PyErr {
    if error.is_instance_of::<PyTypeError>(py) {
        return PyTypeError::new_err(format!("option '{name}': {}", error.value(py)));
    }
    error
}

fn set(options: Options, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Options> {
    Ok(match name {
        "timeout" => match timeout(value)? {
            Some(limit) => options.timeout(limit),
            None => options.no_timeout(),
        },
        "idle_timeout" => options.idle_timeout(if value.is_none() { Duration::MAX } else { seconds(name, value)? }),
        "wire" => options.wire(match value.extract::<String>()?.as_str() {
            "auto" => Wire::Auto,
            "native" => Wire::Native,
            "deno" => Wire::Deno,
            _ => return Err(not_one_of(name, value, "\"auto\", \"native\", \"deno\"")),
        }),
        "directory" => options.directory(value.extract::<PathBuf>()?),
        "path" => options.path(value.extract::<PathBuf>()?),
        "path_style" => options.path_style(match value.extract::<String>()?.as_str() {
            "v0.0.1" => PathStyle::V0_0_1,
            "v0.0.3" => PathStyle::V0_0_3,
            "v0.0.5" => PathStyle::V0_0_5,
            "v0.0.14" => PathStyle::V0_0_14,
            _ => return Err(not_one_of(name, value, "\"v0.0.1\", \"v0.0.3\", \"v0.0.5\", \"v0.0.14\"")),
        }),
        "socket_mode" => options.socket_mode(number(name, value)?),
        "max_message" => options.max_message(number(name, value)?),
        "max_connections" => options.max_connections(number(name, value)?),
        "max_session_in_flight" => options.max_session_in_flight(number(name, value)?),
        "max_in_flight" => options.max_in_flight(number(name, value)?),
        "max_session_waiting" => options.max_session_waiting(number(name, value)?),
        "max_waiting" => options.max_waiting(number(name, value)?),
        "hello_timeout" => options.hello_timeout(seconds(name, value)?),
        "stall_timeout" => options.stall_timeout(seconds(name, value)?),
        "peers" => options.peers(peers(value)?),
        "grace" => options.grace(seconds(name, value)?),
        "wait" => options.wait(if value.is_none() { Duration::MAX } else { seconds(name, value)? }),
        "cancellation" => match cancellation(value)? {
            Some(cancellation) => options.cancellation(&cancellation),
            None => options,
        },
        "plain_text" => options.plain_text(value.extract()?),
        "threads" => options.threads(number(name, value)?),
        "spin" => options.spin(seconds(name, value)?),
        "shared_memory" => options.shared_memory(number(name, value)?),
        "check_interval" => options.check_interval(seconds(name, value)?),
        "publish" => options.publish(value.extract()?),
        "tap" => options.tap(value.extract()?),
        "retain" => options.retain(value.extract()?),
        "patience" => options.patience(seconds(name, value)?),
        "topics" => options.topics(topics(value)?),
        "overflow" => match Overflow::from_name(value.extract()?) {
            Some(overflow) => options.overflow(overflow),
            None => return Err(not_one_of(name, value, "\"fail\", \"drop_oldest\", \"block\"")),
        },
        "queue" => options.queue(number(name, value)?),
        "reconnect" if value.is_none() => options.no_reconnect_limit(),
        "reconnect" => options.reconnect(seconds(name, value)?),
        _ => return Err(PyTypeError::new_err("there is no option of this name")),
    })
}

/// Seconds, or `None` for no limit.
pub(crate) fn timeout(value: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    if value.is_none() { Ok(None) } else { seconds("timeout", value).map(Some) }
}

/// That of a call which is given no other option.
pub(crate) fn limit(py: Python<'_>, value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Duration>> {
    value.map_or(Ok(None), timeout).map_err(|error| of_option(py, "timeout", error))
}

/// The same for `Server.wait`.
#[pyfunction(name = "timeout")]
#[pyo3(signature = (seconds, /))]
pub(crate) fn checked_timeout(seconds: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    let limit = timeout(seconds).map_err(|error| of_option(seconds.py(), "timeout", error))?;
    Ok(limit.map(|limit| limit.as_secs_f64()))
}

fn cancellation(value: &Bound<'_, PyAny>) -> PyResult<Option<simple_ipc::Cancellation>> {
    if value.is_none() { Ok(None) } else { Ok(Some(value.cast::<Cancellation>()?.get().core())) }
}

fn seconds(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let number: f64 = value.extract()?;
    Duration::try_from_secs_f64(number).map_err(|_| {
        let for_ever = if matches!(name, "timeout" | "idle_timeout" | "wait" | "reconnect") {
            ", or None for no limit"
        } else {
            ""
        };
        let text = format!("{name} of {number:?} s is not a length of time; give seconds from 0 on{for_ever}");
        of_kind(value.py(), ErrorKind::InvalidArgument, text)
    })
}

fn number<'py, T>(name: &str, value: &Bound<'py, PyAny>) -> PyResult<T>
where
    T: TryFrom<i64>,
{
    let given = match value.extract::<i64>() {
        Err(error) if !error.is_instance_of::<PyOverflowError>(value.py()) => return Err(error),
        given => given.ok().and_then(|given| T::try_from(given).ok()),
    };
    let out_of_range = || of_kind(value.py(), ErrorKind::InvalidArgument, format!("{name} of {value} is out of range"));
    given.ok_or_else(out_of_range)
}

fn peers(value: &Bound<'_, PyAny>) -> PyResult<Peers> {
    if let Ok(text) = value.cast::<PyString>() {
        return match text.to_str()? {
            "same_user" => Ok(Peers::SameOwner),
            "anyone" => Ok(Peers::Anyone),
            _ => Err(not_one_of("peers", value, "\"same_user\", \"anyone\", a list of user ids")),
        };
    }
    let uids = value.try_iter()?.map(|id| number("a user id of peers", &id?)).collect::<PyResult<Vec<u32>>>()?;
    Ok(Peers::uids(uids))
}

/// A topic's text.
pub(crate) fn topic<'a>(value: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    let text = value
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("a topic is a str, not {}", type_name(value))))?;
    text.to_str().map_err(|_| {
        let text = format!("{value:?} is not a topic: it has a lone surrogate; give text that can be UTF-8");
        of_kind(value.py(), ErrorKind::InvalidArgument, text)
    })
}

fn topics(value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if value.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("a list of topics, not a str; give [topic]"));
    }
    let one = |one: PyResult<Bound<'_, PyAny>>| topic(&one?).map(str::to_owned);
    value.try_iter()?.map(one).collect()
}

fn not_one_of(name: &str, value: &Bound<'_, PyAny>, known: &str) -> PyErr {
    let text = format!("{name} is {value:?}; it can be one of {known}");
    of_kind(value.py(), ErrorKind::InvalidArgument, text)
}

/// The channel of a name or a port.
pub(crate) fn channel(given: &Bound<'_, PyAny>, to_listen: bool) -> PyResult<Channel> {
    let py = given.py();
    if let Ok(name) = given.cast::<PyString>() {
        let name = name.to_string_lossy();
        return Channel::uds(&name).map_err(|error| exception(py, &error));
    }
    if given.is_instance_of::<PyBool>() {
        return Err(PyTypeError::new_err("a channel is a name (str) or a port (int), not a bool"));
    }
    match given.extract::<u16>() {
        Ok(port) if port > 0 || to_listen => Channel::ip(port).map_err(|error| exception(py, &error)),
        Err(error) if !error.is_instance_of::<PyOverflowError>(py) => {
            Err(PyTypeError::new_err("a channel is a name (str) or a port (int)"))
        }
        _ => {
            let text = format!("{given} is not a port: 1 to 65535, or 0 to listen on a free one");
            Err(of_kind(py, ErrorKind::InvalidPort, text))
        }
    }
}
