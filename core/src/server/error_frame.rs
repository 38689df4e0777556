//! The body of an error frame: what failed, in one line of text and, from a handler, a code and JSON.

use crate::error::{Error, ErrorKind, one_line};
use crate::failure::HandlerFailure;
use crate::protocol::frame::ERROR_ALWAYS;

/// The most bytes of text that an error frame carries.
const MOST_TEXT: usize = 4096;

/// What is said where a caller cannot be sent JSON with bytes.
pub(crate) const UNKNOWN_BODY: &str = "the answer is JSON with bytes, which the caller's version of the library does not know; bring the \
                                       caller up to date, or answer JSON or bytes";

/// What an error frame says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorFrame<'a> {
    pub(crate) kind: ErrorKind,
    pub(crate) text: &'a str,
    /// What a handler gave besides: a code, and JSON text.
    code: Option<&'a str>,
    data: Option<&'a str>,
    /// Whether the message may have been handled, where the kind does not say so by itself.
    may_have_been_handled: Option<bool>,
}

impl<'a> ErrorFrame<'a> {
    /// What needs no more than a line of text.
    pub(crate) fn of_text(kind: ErrorKind, text: &'a str) -> ErrorFrame<'a> {
        ErrorFrame { kind, text, code: None, data: None, may_have_been_handled: None }
    }

    /// The handler answered with JSON with bytes, which the caller does not know.
    pub(crate) fn of_unknown_body() -> ErrorFrame<'static> {
        let frame = ErrorFrame::of_text(ErrorKind::UnsupportedVersion, UNKNOWN_BODY);
        ErrorFrame { may_have_been_handled: Some(true), ..frame }
    }

    /// A handler's failure on purpose.
    pub(crate) fn of_failure(failure: &'a HandlerFailure) -> ErrorFrame<'a> {
        ErrorFrame {
            kind: ErrorKind::HandlerFailed,
            text: failure.message(),
            code: failure.failure_code(),
            data: failure.failure_data(),
            may_have_been_handled: None,
        }
    }

    /// An error of any kind that somebody else has answered with.
    pub(crate) fn of_error(error: &'a Error) -> ErrorFrame<'a> {
        ErrorFrame {
            kind: error.kind(),
            text: error.message(),
            code: error.handler_code(),
            data: error.handler_data(),
            may_have_been_handled: Some(error.may_have_been_handled()),
        }
    }

    /// Whether it takes the place of a broadcast's acknowledgement: the broadcast was not taken, or nobody can say that it was.
    pub(crate) fn refuses_a_broadcast(self) -> bool {
        self.kind == ErrorKind::InvalidBody || self.may_have_been_handled.is_some()
    }

    /// The body of the error frame, for a client that takes bodies of at most `max` bytes.
    pub(crate) fn body(self, max: usize) -> Vec<u8> {
        #[derive(serde::Serialize)]
        struct Body<'a> {
            code: &'a str,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            handler_code: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            handler_data: Option<&'a serde_json::value::RawValue>,
            #[serde(skip_serializing_if = "Option::is_none")]
            may_have_been_handled: Option<bool>,
        }
        let max = max.max(ERROR_ALWAYS);
        // A text is for people, who do not read more; and the client's limit must not stand in its way.
        let text = one_line(self.text[..self.text.floor_char_boundary(MOST_TEXT)].into());
        let mut body = Body {
            code: self.kind.name(),
            message: &text,
            handler_code: self.code,
            handler_data: self.data.and_then(|data| serde_json::from_str(data).ok()),
            may_have_been_handled: self.may_have_been_handled,
        };
        loop {
            let bytes = serde_json::to_vec(&body).expect("strings and JSON always become JSON");
            let excess = bytes.len().saturating_sub(max);
            if excess == 0 {
                return bytes;
            }
            if body.handler_data.take().is_none() && body.handler_code.take().is_none() {
                // No byte takes more than six in JSON: no more than that is cut off too much.
                let cut = body.message.len().saturating_sub(excess.div_ceil(6));
                body.message = &body.message[..body.message.floor_char_boundary(cut)];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_error_is_cut_to_what_the_client_takes() {
        for text in ["no luck", &"\u{1}".repeat(9000), &"é\"😀".repeat(9000)] {
            for max in [1, 50, 1024, 1025, 1031, 5000, usize::MAX] {
                let body = ErrorFrame::of_text(ErrorKind::HandlerFailed, text).body(max);
                assert!(body.len() <= max.max(1024));
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(body["code"], "handler_failed");
                assert!(text.replace('\u{1}', " ").starts_with(body["message"].as_str().unwrap()));
            }
        }
        let body = ErrorFrame::of_text(ErrorKind::Closing, "bye").body(1);
        assert_eq!(body, br#"{"code":"closing","message":"bye"}"#);
    }

    #[test]
    fn what_a_handler_gave_besides_its_text_is_left_out_first() {
        let told = |text: &str, code: &str, data: usize| {
            let failure = HandlerFailure::new(text).code(code).data(&"d".repeat(data)).unwrap();
            let body = ErrorFrame::of_failure(&failure).body(1);
            assert!(body.len() <= 1024);
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            (body["message"] == text, body.get("handler_code").is_some(), body.get("handler_data").is_some())
        };
        assert_eq!(told("gone", "out_of_stock", 10), (true, true, true));
        assert_eq!(told("gone", "out_of_stock", 1000), (true, true, false));
        assert_eq!(told("gone", &"c".repeat(1000), 1000), (true, false, false));
        assert_eq!(told(&"t".repeat(1000), "c", 10), (false, false, false));
        let failure = HandlerFailure::new("gone").code("c").data_json("null").unwrap();
        let expected = br#"{"code":"handler_failed","message":"gone","handler_code":"c","handler_data":null}"#;
        assert_eq!(ErrorFrame::of_failure(&failure).body(1), expected);
    }
}
