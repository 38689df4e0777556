//! A handler's failure on purpose, with what its caller can act on.

use std::fmt;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result, one_line};

/// What a handler fails with where the caller is to get more than a line of text: a code for its program, and data.
///
/// It is an error type, so `?` and `.into()` make it a [`HandlerError`](crate::HandlerError), and
/// [`Responder::fail_with`](crate::Responder::fail_with) takes it as it is. The caller's [`Error`] has kind
/// [`ErrorKind::HandlerFailed`] and this text, and answers [`Error::handler_code`] and [`Error::handler_data`].
///
/// Code and data reach callers on native sessions of this version or later. Where they would not fit into what the
/// caller takes, the data is left out first, then the code; then the text is shortened.
///
/// ```
/// use simple_ipc::{HandlerFailure, HandlerResult};
///
/// fn order(amount: u32) -> HandlerResult<()> {
///     if amount > 3 {
///         return Err(HandlerFailure::new("only 3 are left").code("out_of_stock").data(&3)?.into());
///     }
///     Ok(())
/// }
/// # assert!(order(4).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerFailure {
    message: String,
    code: Option<String>,
    data: Option<String>,
}

impl HandlerFailure {
    /// A failure with this text. It becomes one line: control characters become spaces.
    pub fn new(message: impl Into<String>) -> HandlerFailure {
        HandlerFailure { message: one_line(message.into().into()).into_owned(), code: None, data: None }
    }

    /// Adds a code that programs decide by. It becomes one line, as the text does.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> HandlerFailure {
        self.code = Some(one_line(code.into().into()).into_owned());
        self
    }

    /// Adds data from its JSON text. Fails with [`ErrorKind::InvalidJson`] where it is none.
    pub fn data_json(mut self, json_text: impl Into<String>) -> Result<HandlerFailure> {
        let text = json_text.into();
        crate::message::check_json(text.as_bytes()).map_err(|why| {
            Error::new(ErrorKind::InvalidJson, format!("the data of a handler's failure is not JSON: {why}"))
        })?;
        self.data = Some(text);
        Ok(self)
    }

    /// Adds data: any value that becomes JSON. Fails with [`ErrorKind::InvalidJson`] where it cannot.
    pub fn data(mut self, value: &(impl Serialize + ?Sized)) -> Result<HandlerFailure> {
        let text = serde_json::to_string(value).map_err(|error| {
            let text = format!("the data of a handler's failure cannot become JSON: {error}");
            Error::new(ErrorKind::InvalidJson, text).with_source(error)
        })?;
        self.data = Some(text);
        Ok(self)
    }

    /// The line of text.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The code, if there is one.
    pub fn failure_code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The JSON text of the data, if there is any.
    pub fn failure_data(&self) -> Option<&str> {
        self.data.as_deref()
    }
}

impl fmt::Display for HandlerFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HandlerFailure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_code_are_one_line_and_data_is_json() {
        let failure = HandlerFailure::new("a\nb\0c").code("x\ty").data_json("[1]").unwrap();
        assert_eq!((failure.message(), failure.failure_code()), ("a b c", Some("x y")));
        assert_eq!(failure.failure_data(), Some("[1]"));
        assert_eq!(failure.to_string(), "a b c");
        assert_eq!(failure.clone().data(&"é").unwrap().failure_data(), Some("\"é\""));
        assert_eq!(failure.data_json("{").unwrap_err().kind(), ErrorKind::InvalidJson);
    }
}
