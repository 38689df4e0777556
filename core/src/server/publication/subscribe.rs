//! What a client asks for when it subscribes, and what it is answered.

use std::collections::HashSet;

use serde::{Deserialize, Deserializer, Serialize};

use super::terms::Filter;
use crate::event::Overflow;
use crate::options::{DEFAULT_QUEUE, MOST_TOPICS, check_topic};

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) filter: Filter,
    pub(crate) overflow: Overflow,
    /// In bytes, as the client asks for it.
    pub(crate) queue: usize,
    pub(crate) resumes: Option<Resumes>,
}

/// Up to where a client got the events of an earlier subscription.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resumes {
    pub(crate) epoch: String,
    /// The number of the last event that it got, or was told that it missed.
    pub(crate) after: u64,
}

/// The body of a subscribe frame. A member that is there has its type: null is none.
#[derive(Deserialize)]
struct Body {
    #[serde(default, deserialize_with = "present")]
    topics: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    overflow: Option<String>,
    #[serde(default, deserialize_with = "present")]
    queue: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    epoch: Option<String>,
    #[serde(default, deserialize_with = "present")]
    after: Option<u64>,
}

fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Whether the body of a subscribe frame asks for the messages that pass at the listener, and not for what it publishes.
pub(crate) fn asks_for_messages(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Of {
        of: Option<String>,
    }
    let is_object = body.trim_ascii_start().starts_with(b"{");
    is_object && serde_json::from_slice::<Of>(body).is_ok_and(|body| body.of.as_deref() == Some("messages"))
}

/// Reads the body of a subscribe frame, or says what is wrong with it.
pub(crate) fn parse(body: &[u8]) -> Result<Asked, String> {
    // serde takes an array for a struct, too.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err("the body of a subscribe is not a JSON object".to_owned());
    }
    let body: Body =
        serde_json::from_slice(body).map_err(|error| format!("the body of a subscribe cannot be read: {error}"))?;
    let overflow = match body.overflow.as_deref() {
        None => Overflow::default(),
        Some(name) => Overflow::from_name(name)
            .ok_or_else(|| format!("the overflow {name:?} is none of fail, drop_oldest and block"))?,
    };
    let queue = match body.queue {
        None => DEFAULT_QUEUE,
        Some(0) => return Err("a queue of 0 bytes has no room for anything".to_owned()),
        Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
    };
    let resumes = match (body.epoch, body.after) {
        (Some(epoch), Some(after)) => Some(Resumes { epoch, after }),
        (None, Some(_)) => return Err("`after` says nothing without `epoch`".to_owned()),
        (_, None) => None,
    };
    Ok(Asked { filter: filter(body.topics)?, overflow, queue, resumes })
}

fn filter(topics: Option<Vec<String>>) -> Result<Filter, String> {
    let Some(topics) = topics else { return Ok(Filter::All) };
    if topics.is_empty() {
        return Err("a subscription names no topic; leave `topics` out to get all".to_owned());
    }
    if topics.len() > MOST_TOPICS {
        return Err(format!("a subscription names {} topics, of at most {MOST_TOPICS}", topics.len()));
    }
    if let Some(error) = topics.iter().find_map(|topic| check_topic(topic).err()) {
        return Err(error.message().to_owned());
    }
    Ok(Filter::Topics(topics.into_iter().map(String::into_boxed_str).collect::<HashSet<_>>()))
}

/// Shows that any body is refused in one line, or asks for what a publisher can do.
#[cfg(any(test, fuzzing))]
pub(crate) fn check_any(body: &[u8]) {
    match parse(body) {
        Err(why) => assert!(!why.is_empty() && !why.contains('\n'), "{why:?}"),
        Ok(Asked { filter, queue, .. }) => {
            assert!(queue > 0);
            if let Filter::Topics(topics) = filter {
                assert!((1..=MOST_TOPICS).contains(&topics.len()));
                assert!(topics.iter().all(|topic| check_topic(topic).is_ok()));
            }
        }
    }
}

/// What a client is answered.
#[derive(Debug, Serialize)]
pub(crate) struct Answer<'a> {
    pub(crate) epoch: &'a str,
    /// The number of the first event that will be due.
    pub(crate) next: u64,
    /// How many bytes may wait for it.
    pub(crate) queue: usize,
    /// How many events it missed since its earlier subscription, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missed: Option<u64>,
}

impl Answer<'_> {
    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers always become JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_optional_and_other_members_are_ignored() {
        let nothing = Asked { filter: Filter::All, overflow: Overflow::Fail, queue: DEFAULT_QUEUE, resumes: None };
        for body in ["{}", " {\"x\":null} ", r#"{"epoch":"a"}"#] {
            assert_eq!(parse(body.as_bytes()).unwrap(), nothing, "{body}");
        }
        let body = br#"{"topics":["a","","a"],"overflow":"drop_oldest","queue":1,"epoch":"e","after":0,"later":[{}]}"#;
        let asked = parse(body).unwrap();
        assert_eq!(asked.filter, Filter::Topics(HashSet::from(["a".into(), "".into()])));
        assert_eq!((asked.overflow, asked.queue), (Overflow::DropOldest, 1));
        assert_eq!(asked.resumes, Some(Resumes { epoch: "e".into(), after: 0 }));
    }

    #[test]
    fn a_body_that_makes_no_sense_is_refused_in_one_line() {
        let many = serde_json::json!({ "topics": vec!["x"; 1025] }).to_string();
        let long = serde_json::json!({ "topics": ["é".repeat(128)] }).to_string();
        for body in [
            "",
            "[]",
            "null",
            "{",
            "{}{}",
            r#"[["a"],"fail",1,"e",1]"#,
            r#"{"topics":[]}"#,
            r#"{"topics":"a"}"#,
            r#"{"topics":null}"#,
            r#"{"topics":[1]}"#,
            r#"{"overflow":"drop_newest"}"#,
            r#"{"overflow":1}"#,
            r#"{"queue":0}"#,
            r#"{"queue":-1}"#,
            r#"{"queue":1.5}"#,
            r#"{"queue":"1"}"#,
            r#"{"after":1}"#,
            r#"{"epoch":1}"#,
            r#"{"epoch":"e","after":"1"}"#,
            &many,
            &long,
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
            check_any(body.as_bytes());
        }
        assert!(parse(b"{\"topics\":[\"\xff\"]}").is_err());
    }
}
