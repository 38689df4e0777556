//! `simple_ipc._native`: what the Python package is made over.
//!
//! | module | holds |
//! |---|---|
//! | `attached` | JSON with bytes, as Python has it |
//! | `body` | Python objects to message bodies and back |
//! | `options` | keyword arguments to options |
//! | `os` | what depends on the operating system |
//! | `error` | errors to exceptions |
//! | `failure` | a handler's exceptions to what its caller is told |
//! | `interpreter` | the GIL, signals, handlers, and the interpreter's end |
//! | `calls` | calls that block |
//! | `cancellation` | giving such calls up |
//! | `listener` | listeners with handlers on threads |
//! | `post` | what threads of the library leave for an event loop |
//! | `inbox` | listeners with handlers on an event loop |
//! | `call` | a message that such a handler has |
//! | `publication` | publishing from an event loop |
//! | `subscription` | events of a publisher, blocking and on an event loop |
//! | `stream` | streams, blocking and on an event loop |
//! | `exchange` | a message that waits for its answer: the items of its caller, those of its answer |
//! | `queue` | calls on an event loop |
//! | `context` | what a handler may know about its caller |

mod attached;
mod body;
mod call;
mod calls;
mod cancellation;
mod context;
mod error;
mod exchange;
mod failure;
mod inbox;
mod interpreter;
mod listener;
mod options;
mod os;
mod post;
mod publication;
mod queue;
mod stream;
mod subscription;

use pyo3::prelude::*;

/// The native part of the package `simple_ipc`.
#[pymodule(gil_used = false)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    interpreter::check_interpreter(module.py())?;
    interpreter::watch_signals();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("DEFAULT_GRACE", simple_ipc::DEFAULT_GRACE.as_secs_f64())?;
    module.add_class::<attached::Attached>()?;
    module.add_class::<calls::Client>()?;
    module.add_class::<cancellation::Cancellation>()?;
    module.add_class::<context::Context>()?;
    module.add_class::<exchange::CallerItems>()?;
    module.add_class::<exchange::LoopItems>()?;
    module.add_class::<exchange::Reply>()?;
    module.add_class::<call::Call>()?;
    module.add_class::<inbox::Inbox>()?;
    module.add_class::<interpreter::Process>()?;
    module.add_class::<listener::Listener>()?;
    module.add_class::<publication::Publication>()?;
    module.add_class::<queue::Queue>()?;
    module.add_class::<stream::LoopStream>()?;
    module.add_class::<stream::Stream>()?;
    module.add_class::<stream::Unsent>()?;
    module.add_class::<subscription::Event>()?;
    module.add_class::<subscription::LoopSubscription>()?;
    module.add_class::<subscription::Subscription>()?;
    module.add_function(wrap_pyfunction!(calls::post, module)?)?;
    module.add_function(wrap_pyfunction!(stream::post_stream, module)?)?;
    module.add_function(wrap_pyfunction!(calls::channels, module)?)?;
    module.add_function(wrap_pyfunction!(options::checked_timeout, module)?)?;
    module.add_function(wrap_pyfunction!(error::error_kinds, module)?)?;
    module.add_function(wrap_pyfunction!(body::encode, module)?)?;
    module.add_function(wrap_pyfunction!(body::error_data, module)?)?;
    module.add_function(wrap_pyfunction!(body::decode, module)?)?;
    module.add_function(wrap_pyfunction!(failure::failure_text, module)?)?;
    module.add_function(wrap_pyfunction!(failure::write_unraisable, module)?)?;
    module.add_function(wrap_pyfunction!(interpreter::check_interpreter, module)?)?;
    module.add_function(wrap_pyfunction!(interpreter::shut_gate, module)?)?;
    Ok(())
}
