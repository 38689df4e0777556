//! What a subscriber says it wants, and what it is answered.

use serde::{Deserialize, Serialize};

use crate::options::Options;
use crate::protocol::Violation;

/// The body of a subscribe frame.
#[derive(Serialize)]
struct Subscribe<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topics: Option<&'a [String]>,
    overflow: &'static str,
    queue: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<u64>,
}

/// The body of a subscribe frame. `seen`: the publisher's epoch and the last number that a subscription which goes on
/// has seen of it.
pub(crate) fn subscribe_body(options: &Options, seen: Option<(&str, u64)>) -> Vec<u8> {
    let body = Subscribe {
        of: options.sees_messages.then_some("messages"),
        topics: options.topics.as_deref(),
        overflow: options.overflow.name(),
        queue: options.queue,
        epoch: seen.map(|(epoch, _)| epoch),
        after: seen.map(|(_, after)| after),
    };
    serde_json::to_vec(&body).expect("texts and numbers always become JSON")
}

/// The body of the response to a subscribe frame. Other members are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Answer {
    /// Which publisher it is: another one, on the same channel too, has another. 16 hexadecimal digits.
    pub(crate) epoch: String,
    /// The number of the first event that will be due.
    pub(crate) next: u64,
    /// How many events were due since the number that the subscriber had seen, where the epoch is the one that it named.
    pub(crate) missed: Option<u64>,
}

impl Answer {
    pub(crate) fn read(body: &[u8]) -> Result<Answer, Violation> {
        let is_object = body.trim_ascii_start().starts_with(b"{");
        match serde_json::from_slice::<Answer>(body) {
            Ok(answer) if is_object && answer.makes_sense() => Ok(answer),
            _ => Err(Violation::Malformed("the listener's answer to a subscription cannot be read")),
        }
    }

    fn makes_sense(&self) -> bool {
        let is_epoch = self.epoch.len() == 16 && self.epoch.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_epoch && self.next as u32 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Overflow;

    #[test]
    fn a_subscription_says_what_it_wants() {
        let body = |options: &Options, seen| String::from_utf8(subscribe_body(options, seen)).unwrap();
        assert_eq!(body(&Options::new(), None), r#"{"overflow":"fail","queue":4194304}"#);
        let options = Options::new().topics(["a", "\"é"]).overflow(Overflow::DropOldest).queue(7);
        assert_eq!(
            body(&options, Some(("0123456789abcdef", 5))),
            r#"{"topics":["a","\"é"],"overflow":"drop_oldest","queue":7,"epoch":"0123456789abcdef","after":5}"#
        );
    }

    #[test]
    fn an_answer_that_makes_no_sense_breaks_the_protocol() {
        let good = r#"{"epoch":"0123456789abcdef","next":124,"queue":9,"missed":3,"more":[]}"#;
        let answer = Answer { epoch: "0123456789abcdef".into(), next: 124, missed: Some(3) };
        assert_eq!(Answer::read(good.as_bytes()), Ok(answer));
        for bad in [
            "",
            "[]",
            r#"["0123456789abcdef",1,null]"#,
            r#"{"epoch":"0123456789abcdef"}"#,
            r#"{"epoch":"0123456789abcde","next":1}"#,
            r#"{"epoch":"0123456789abcdeg","next":1}"#,
            r#"{"epoch":"0123456789abcdef","next":0}"#,
            r#"{"epoch":"0123456789abcdef","next":4294967296}"#,
            r#"{"epoch":"0123456789abcdef","next":-1}"#,
            r#"{"epoch":"0123456789abcdef","next":1,"missed":"3"}"#,
        ] {
            assert!(Answer::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
