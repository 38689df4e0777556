//! How channels and messages look on NATS: subjects, headers, bodies.

use async_nats::{HeaderMap, Message as NatsMessage};
use bytes::Bytes;
use simple_ipc::{Channel, Error, ErrorKind, Message, MessageKind, Result};

/// `json`, `bytes` or `attached`; absent, a body is JSON.
pub(crate) const KIND: &str = "Sipc-Kind";
/// How many milliseconds the caller still waits; absent, it waits without limit.
pub(crate) const TIMEOUT: &str = "Sipc-Timeout";
/// The id of the sender's connection, and how many microseconds that is old.
pub(crate) const SENT: &str = "Sipc-Sent";
/// The ids of the bridges that the message has passed, with commas between them.
pub(crate) const VIA: &str = "Sipc-Via";
/// Whose message it is, `host/uid/pid`: for people who watch, never for decisions.
pub(crate) const FROM: &str = "Sipc-From";
/// The message asks only whether an exporter takes such messages.
pub(crate) const PROBE: &str = "Sipc-Probe";
/// The stable name of the error that is the answer.
pub(crate) const ERROR: &str = "Sipc-Error";
/// The number of an event of its epoch, or of a message of a stream in its direction: from 1.
pub(crate) const SEQUENCE: &str = "Sipc-Seq";
/// Whether the message may have been handled in spite of the error: `no` or `unknown`.
pub(crate) const HANDLED: &str = "Sipc-Handled";
/// The code that a handler has failed with.
pub(crate) const HANDLER_CODE: &str = "Sipc-Handler-Code";
/// The data that a handler has failed with, JSON on one line.
pub(crate) const HANDLER_DATA: &str = "Sipc-Handler-Data";

/// The queue group of all exporters: each message goes to one of them.
pub(crate) const GROUP: &str = "sipc";

/// The most bridges that a message passes.
const MOST_HOPS: usize = 8;

/// The subjects of one channel.
#[derive(Clone, Debug)]
pub(crate) struct Subjects {
    pub(crate) requests: String,
    pub(crate) broadcasts: String,
    /// Openings of streams.
    pub(crate) streams: String,
    /// What the channel publishes; a topic follows as one more token.
    pub(crate) events: String,
    /// The last event of each topic, for those who ask.
    pub(crate) values: String,
    /// What an exporter tells of its channel.
    pub(crate) info: String,
    /// Calls that nobody waits for any more; the body is the call's reply subject.
    pub(crate) cancel: String,
}

impl Subjects {
    pub(crate) fn new(prefix: &str, channel: &Channel) -> Subjects {
        let token = token(channel);
        let subject = |what: &str| format!("{prefix}.{what}.{token}");
        Subjects {
            requests: subject("req"),
            broadcasts: subject("cast"),
            streams: subject("str"),
            events: subject("evt"),
            values: subject("last"),
            info: subject("info"),
            cancel: subject("cancel"),
        }
    }

    /// Those to which an exporter subscribes.
    pub(crate) fn of_exporters(&self) -> [&str; 6] {
        [&self.requests, &self.broadcasts, &self.streams, &self.values, &self.info, &self.cancel].map(String::as_str)
    }
}

/// A channel as a token of a subject. Names have no hyphen, so that no name looks like a port.
fn token(channel: &Channel) -> String {
    match channel.port() {
        Some(port) => format!("tcp-{port}"),
        None => channel.name().unwrap_or_default().to_owned(),
    }
}

/// Whether a prefix is one or more tokens of a subject.
pub(crate) fn is_prefix(prefix: &str) -> bool {
    let word = |token: &str| {
        !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    prefix.split('.').all(word)
}

/// Headers with the kind of a body.
pub(crate) fn headers_of(message: &Message) -> HeaderMap {
    headers_of_kind(message.kind())
}

/// The same of a body of this kind. JSON is what is meant where nothing is said.
pub(crate) fn headers_of_kind(kind: MessageKind) -> HeaderMap {
    let mut headers = HeaderMap::new();
    match kind {
        MessageKind::Bytes => headers.insert(KIND, "bytes"),
        MessageKind::Attached => headers.insert(KIND, "attached"),
        _ => {}
    }
    headers
}

/// The bytes that headers and a body take on the wire, which the server's `max_payload` is about.
pub(crate) fn size(headers: &HeaderMap, body: &[u8]) -> usize {
    let lines: usize = headers
        .iter()
        .flat_map(|(name, values)| {
            values.iter().map(|value| AsRef::<str>::as_ref(name).len() + value.as_str().len() + 4)
        })
        .sum();
    "NATS/1.0\r\n\r\n".len() + lines + body.len()
}

/// A header's value.
pub(crate) fn header<'a>(message: &'a NatsMessage, name: &str) -> Option<&'a str> {
    message.headers.as_ref()?.get(name).map(|value| value.as_str())
}

/// The number of an event, or of a message of a stream; 0 where it has none.
pub(crate) fn sequence(message: &NatsMessage) -> u64 {
    header(message, SEQUENCE).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The body that has come over the wire.
pub(crate) fn body(message: &NatsMessage) -> Result<Message> {
    match header(message, KIND) {
        Some("bytes") => Ok(Message::shared(MessageKind::Bytes, message.payload.clone())),
        None | Some("json") => checked(MessageKind::Json, message),
        Some("attached") => checked(MessageKind::Attached, message),
        Some(other) => Err(Error::new(
            ErrorKind::InvalidBody,
            format!("a body of kind {other:?} came over the bridge, which this version does not know; update it"),
        )),
    }
}

/// A body with JSON in it, which is looked at here: a listener would end its session over one that is none.
fn checked(kind: MessageKind, message: &NatsMessage) -> Result<Message> {
    let body = Message::shared(kind, message.payload.clone());
    body.check().map(|()| body)
}

/// Whether the bridges that a message has passed forbid it to pass this one, too.
pub(crate) fn goes_round(via: Option<&str>, own: &str) -> bool {
    via.is_some_and(|via| {
        let mut ids = via.split(',').map(str::trim);
        ids.clone().count() >= MOST_HOPS || ids.any(|id| id == own)
    })
}

/// An answer that is an error: headers and text.
pub(crate) fn of_error(error: &Error) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(ERROR, error.kind().name());
    headers.insert(HANDLED, if error.may_have_been_handled() { "unknown" } else { "no" });
    if let Some(code) = error.handler_code() {
        headers.insert(HANDLER_CODE, one_line(code).as_str());
    }
    if let Some(data) = error.handler_data() {
        // Between the values of JSON a line feed is white space, and within a string there is none.
        headers.insert(HANDLER_DATA, one_line(data).as_str());
    }
    (headers, Bytes::from(error.message().to_owned()))
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// What an answer says: a body, or an error.
pub(crate) fn answer(message: &NatsMessage) -> Result<Message, Answered> {
    match header(message, ERROR) {
        None => body(message).map_err(|error| Answered::Error(error.after_sending())),
        Some(name) => {
            let text = String::from_utf8_lossy(&message.payload).into_owned();
            let handled = header(message, HANDLED) != Some("no");
            let kind = ErrorKind::from_name(name).unwrap_or(ErrorKind::Protocol);
            if kind == ErrorKind::HandlerFailed {
                return Err(Answered::Failed {
                    text,
                    code: header(message, HANDLER_CODE).map(str::to_owned),
                    data: header(message, HANDLER_DATA).map(str::to_owned),
                });
            }
            // `closing` would make the local client look for another session, which would lead here again.
            let kind = if kind == ErrorKind::Closing { ErrorKind::NotListening } else { kind };
            let error = Error::new(kind, text);
            Err(Answered::Error(if handled { error.after_sending() } else { error }))
        }
    }
}

/// An answer that is an error.
#[derive(Debug)]
pub(crate) enum Answered {
    /// A handler has failed, perhaps on purpose.
    Failed {
        text: String,
        code: Option<String>,
        data: Option<String>,
    },
    Error(Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(headers: HeaderMap, payload: Bytes) -> NatsMessage {
        NatsMessage {
            subject: "x".into(),
            reply: None,
            payload,
            headers: Some(headers),
            status: None,
            description: None,
            length: 0,
        }
    }

    #[test]
    fn a_name_and_a_port_have_subjects_of_their_own() {
        let of = |channel: Channel| Subjects::new("sipc", &channel).requests;
        assert_eq!(of(Channel::uds("example_channel").unwrap()), "sipc.req.example_channel");
        assert_eq!(of(Channel::ip(49152).unwrap()), "sipc.req.tcp-49152");
    }

    #[test]
    fn a_prefix_is_tokens_without_wildcards() {
        for good in ["sipc", "a.b", "Team-1.sipc_2"] {
            assert!(is_prefix(good), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a.*", "a.>", "a b", "é"] {
            assert!(!is_prefix(bad), "{bad}");
        }
    }

    #[test]
    fn an_error_arrives_as_it_was_answered() {
        let kinds = [(ErrorKind::NotListening, false), (ErrorKind::TimedOut, true), (ErrorKind::TooLarge, false)];
        for (kind, handled) in kinds {
            let error = Error::new(kind, "why");
            let error = if handled { error.after_sending() } else { error };
            let (headers, body) = of_error(&error);
            let Err(Answered::Error(back)) = answer(&message(headers, body)) else { panic!("{kind}") };
            assert_eq!((back.kind(), back.message(), back.may_have_been_handled()), (kind, "why", handled));
        }
    }

    #[test]
    fn an_error_that_nobody_knows_may_have_been_handled() {
        let mut headers = HeaderMap::new();
        headers.insert(ERROR, "from_the_future");
        let Err(Answered::Error(error)) = answer(&message(headers, Bytes::new())) else { panic!() };
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::Protocol, true));
    }

    #[test]
    fn bodies_keep_their_kind_and_json_is_checked() {
        for body_of in [Message::bytes([0, 255]), Message::text("é"), Message::attached("é", [0, 255]).unwrap()] {
            let headers = headers_of(&body_of);
            let payload = Bytes::from(body_of.data().to_vec());
            assert_eq!(size(&headers, &payload), "NATS/1.0\r\n\r\n".len() + headers_len(&body_of) + payload.len());
            assert_eq!(body(&message(headers, payload)).unwrap(), body_of);
        }
        let broken = message(HeaderMap::new(), Bytes::from_static(b"{"));
        assert_eq!(body(&broken).unwrap_err().kind(), ErrorKind::InvalidBody);
        for broken in [&b"\0\0\0"[..], b"\x05\0\0\0null", b"\x01\0\0\0{a"] {
            let broken = message(headers_of_kind(MessageKind::Attached), Bytes::from_static(broken));
            assert_eq!(body(&broken).unwrap_err().kind(), ErrorKind::InvalidBody);
        }
        let mut headers = HeaderMap::new();
        headers.insert(KIND, "film");
        assert_eq!(body(&message(headers, Bytes::new())).unwrap_err().kind(), ErrorKind::InvalidBody);
    }

    fn headers_len(message: &Message) -> usize {
        let line = |kind: &str| KIND.len() + 2 + kind.len() + 2;
        match message.kind() {
            MessageKind::Bytes => line("bytes"),
            MessageKind::Attached => line("attached"),
            _ => 0,
        }
    }

    #[test]
    fn a_message_that_has_been_here_or_has_passed_eight_bridges_goes_round() {
        assert!(!goes_round(None, "a"));
        assert!(!goes_round(Some("b,c"), "a"));
        assert!(goes_round(Some("b, a"), "a"));
        assert!(!goes_round(Some("1,2,3,4,5,6,7"), "a"));
        assert!(goes_round(Some("1,2,3,4,5,6,7,8"), "a"));
    }
}
