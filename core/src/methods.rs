//! Handlers by name: tables of functions, each of which is one listener's handler.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::HandlerResult;
use crate::failure::HandlerFailure;

type Answering = Pin<Box<dyn Future<Output = HandlerResult<Value>> + Send>>;
type Function<Answered> = Box<dyn Fn(&str, Value) -> Answered + Send + Sync>;

/// A table of functions, of which a message `{"method": "add", "params": [1, 2]}` calls the one that it names.
///
/// [`handler`](MethodTable::handler) makes the handler of a listener of it. A function takes one value, made of the params: a tuple
/// of those that are an array, a struct of those that are an object, `()` of none. What cannot be called fails with one of the codes
/// `invalid_request`, `method_not_found` and `invalid_params`, and no function has run then.
///
/// [`Methods`] has functions that return a future, [`blocking::Methods`](crate::blocking::Methods) functions for threads.
pub struct MethodTable<Answered>(HashMap<String, Function<Answered>>);

/// A table of functions for listeners in the crate's root: each returns a future.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// # let options = simple_ipc::Options::new().directory(directory.path());
/// use simple_ipc::{Channel, Client, Methods, listen_uds_request_with};
///
/// let methods = Methods::new().method("add", |(a, b): (i64, i64)| async move { Ok(a + b) });
/// let listener = listen_uds_request_with("calc", &options, methods.handler()).await?;
/// let calc = Client::connect(&Channel::uds("calc")?, &options).await?;
/// assert_eq!(calc.call::<i64>("add", (1, 2)).await?, 3);
/// # calc.close().await?;
/// # listener.close().await
/// # }).unwrap();
/// ```
pub type Methods = MethodTable<Answering>;

/// A table of functions for listeners of [`blocking`](crate::blocking): they run on threads of the library, and may block.
///
/// ```
/// # let directory = tempfile::tempdir().unwrap();
/// # let options = simple_ipc::Options::new().directory(directory.path());
/// use simple_ipc::Channel;
/// use simple_ipc::blocking::{Client, Methods, listen_uds_request_with};
///
/// let methods = Methods::new().method("add", |(a, b): (i64, i64)| Ok(a + b));
/// let listener = listen_uds_request_with("calc", &options, methods.handler())?;
/// let calc = Client::connect(&Channel::uds("calc")?, &options)?;
/// assert_eq!(calc.call::<i64>("add", (1, 2))?, 3);
/// # Ok::<(), simple_ipc::Error>(())
/// ```
pub type BlockingMethods = MethodTable<HandlerResult<Value>>;

impl<Answered> Default for MethodTable<Answered> {
    fn default() -> Self {
        MethodTable(HashMap::new())
    }
}

impl<Answered> fmt::Debug for MethodTable<Answered> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<Answered> MethodTable<Answered> {
    /// A table without functions.
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, message: Value) -> Result<(&Function<Answered>, String, Value), HandlerFailure> {
        let Value::Object(mut call) = message else { return Err(no_call()) };
        let Some(Value::String(name)) = call.remove("method") else { return Err(no_call()) };
        let params = call.remove("params").unwrap_or(Value::Array(Vec::new()));
        let Some(function) = self.0.get(&name) else {
            let text = format!("there is no method {name:?}");
            return Err(refusal("method_not_found", text, &name));
        };
        if !params.is_array() && !params.is_object() {
            let text = format!("the params of method {name:?} are neither an array nor an object");
            return Err(refusal("invalid_request", text, &name));
        }
        Ok((function, name, params))
    }
}

impl BlockingMethods {
    /// Adds a function under a name; one that was there under it before is replaced.
    #[must_use]
    pub fn method<P, A, F>(mut self, name: impl Into<String>, function: F) -> Self
    where
        P: DeserializeOwned,
        A: Serialize,
        F: Fn(P) -> HandlerResult<A> + Send + Sync + 'static,
    {
        let run = move |name: &str, params| answer(&function(params_of(name, params)?)?);
        self.0.insert(name.into(), Box::new(run));
        self
    }

    /// The handler of a listener, such as [`blocking::listen_uds_request`](crate::blocking::listen_uds_request).
    pub fn handler(self) -> impl Fn(Value) -> HandlerResult<Value> + Send + Sync + 'static {
        move |message| {
            let (function, name, params) = self.find(message)?;
            function(&name, params)
        }
    }
}

impl Methods {
    /// Adds a function under a name; one that was there under it before is replaced.
    #[must_use]
    pub fn method<P, A, F, Fut>(mut self, name: impl Into<String>, function: F) -> Self
    where
        P: DeserializeOwned,
        A: Serialize,
        F: Fn(P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HandlerResult<A>> + Send + 'static,
    {
        let run = move |name: &str, params| -> Answering {
            match params_of(name, params) {
                Ok(params) => {
                    let answering = function(params);
                    Box::pin(async move { answer(&answering.await?) })
                }
                Err(failure) => Box::pin(std::future::ready(Err(failure.into()))),
            }
        };
        self.0.insert(name.into(), Box::new(run));
        self
    }

    /// The handler of a listener, such as `listen_uds_request`.
    pub fn handler(self) -> impl Fn(Value) -> Answering + Send + Sync + 'static {
        let table = Arc::new(self);
        move |message| match table.find(message) {
            Ok((function, name, params)) => function(&name, params),
            Err(failure) => Box::pin(std::future::ready(Err(failure.into()))),
        }
    }
}

fn no_call() -> HandlerFailure {
    let text = r#"a call is an object with the name of a method: {"method": "name", "params": [...]}"#;
    HandlerFailure::new(text).code("invalid_request")
}

fn refusal(code: &str, text: String, method: &str) -> HandlerFailure {
    let failure = HandlerFailure::new(text).code(code);
    let data = serde_json::json!({ "method": method });
    failure.clone().data(&data).unwrap_or(failure)
}

fn answer(value: &impl Serialize) -> HandlerResult<Value> {
    Ok(serde_json::to_value(value)?)
}

/// What a function takes. Params without members are also `()`, and whatever has a default for each of its fields.
fn params_of<P: DeserializeOwned>(method: &str, params: Value) -> Result<P, HandlerFailure> {
    let is_empty = params.as_array().is_some_and(Vec::is_empty) || params.as_object().is_some_and(|all| all.is_empty());
    let why = match serde_path_to_error::deserialize::<_, P>(params) {
        Ok(taken) => return Ok(taken),
        Err(why) => why,
    };
    if is_empty {
        for empty in [Value::Null, Value::Object(serde_json::Map::new())] {
            if let Ok(taken) = P::deserialize(empty) {
                return Ok(taken);
            }
        }
    }
    let path = why.path().to_string();
    let place = if path == "." {
        String::new()
    } else {
        format!(", params{}{path}", if path.starts_with('[') { "" } else { "." })
    };
    Err(refusal("invalid_params", format!("method {method:?}{place}: {}", why.inner()), method))
}
