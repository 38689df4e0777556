//! Keyword arguments to options, under core's names.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};
use simple_ipc::{Channel, ErrorKind, Options, PathStyle, Peers, Wire};

use crate::error::{exception, of_kind};

/// Options from keyword arguments; those that a call has no use for are ignored.
pub(crate) fn options(keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Options> {
    let mut options = Options::new();
    for (name, value) in keywords.into_iter().flat_map(|keywords| keywords.iter()) {
        let name: String = name.extract()?;
        options = set(options, &name, &value).map_err(|error| of_option(value.py(), &name, error))?;
    }
    Ok(options)
}

/// Says which option is of the wrong type: Python's own text does not.
pub(crate) fn of_option(py: Python<'_>, name: &str, error: PyErr) -> PyErr {
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
        "wait" => options.wait(seconds(name, value)?),
        "plain_text" => options.plain_text(value.extract()?),
        "threads" => options.threads(number(name, value)?),
        "spin" => options.spin(seconds(name, value)?),
        "check_interval" => options.check_interval(seconds(name, value)?),
        _ => return Err(PyTypeError::new_err("there is no option of this name")),
    })
}

/// Seconds, or `None` for no limit.
pub(crate) fn timeout(value: &Bound<'_, PyAny>) -> PyResult<Option<Duration>> {
    if value.is_none() { Ok(None) } else { seconds("timeout", value).map(Some) }
}

/// The same for `Server.wait`.
#[pyfunction(name = "timeout")]
#[pyo3(signature = (seconds, /))]
pub(crate) fn checked_timeout(seconds: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    let limit = timeout(seconds).map_err(|error| of_option(seconds.py(), "timeout", error))?;
    Ok(limit.map(|limit| limit.as_secs_f64()))
}

fn seconds(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let number: f64 = value.extract()?;
    Duration::try_from_secs_f64(number).map_err(|_| {
        let text = format!("{name} of {number:?} s is not a length of time; give seconds from 0 on");
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
            "same_user" => Ok(Peers::SameUser),
            "anyone" => Ok(Peers::Anyone),
            _ => Err(not_one_of("peers", value, "\"same_user\", \"anyone\", a list of user ids")),
        };
    }
    Ok(Peers::Users(value.try_iter()?.map(|id| number("a user id of peers", &id?)).collect::<PyResult<_>>()?))
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
