//! Values as the runner writes them, and as a Rust user holds them.

use serde_json::{Map, Number, Value};
use simple_ipc::{Attached, Message, MessageKind};

use crate::Failure;

/// The bytes 0 to 250 over and over.
fn pattern(len: usize) -> Vec<u8> {
    let mut data: Vec<u8> = (0..=250u8).cycle().take(len.min(251 * 1024)).collect();
    while data.len() < len {
        data.extend_from_within(..data.len().min(len - data.len()));
    }
    data
}

/// A body from `value:DESCRIPTION`, `json:TEXT`, `bytes:LEN` or `attached:LEN:TEXT`.
pub(crate) fn build(value: &str) -> Result<Message, Failure> {
    if let Some(len) = value.strip_prefix("bytes:") {
        return Ok(Message::bytes(pattern(len.parse()?)));
    }
    if let Some((len, text)) = value.strip_prefix("attached:").and_then(|rest| rest.split_once(':')) {
        let value: Value = serde_json::from_str(text)?;
        return Ok(Message::json(&Attached::new(value, pattern(len.parse()?)))?);
    }
    if let Some(text) = value.strip_prefix("json:") {
        return Ok(Message::json_text(text)?);
    }
    let description = value.strip_prefix("value:").ok_or("a value is value:, json: or bytes:")?;
    Ok(Message::json(&from_description(&serde_json::from_str(description)?)?)?)
}

fn from_description(description: &Value) -> Result<Value, Failure> {
    let Value::Object(object) = description else { return Ok(description.clone()) };
    let (kind, content) = object.iter().next().ok_or("an empty description")?;
    Ok(match (kind.as_str(), content) {
        ("s", Value::String(units)) => Value::String(string(units)?),
        ("n", Value::String(text)) => Value::Number(number(text)?),
        ("a", Value::Array(items)) => Value::Array(items.iter().map(from_description).collect::<Result<_, _>>()?),
        ("o", Value::Array(members)) => {
            let mut object = Map::new();
            for member in members {
                let key = member[0].as_str().ok_or("a key is a string")?;
                object.insert(string(key)?, from_description(&member[1])?);
            }
            Value::Object(object)
        }
        _ => return Err(format!("cannot build {description}").into()),
    })
}

/// A string from its UTF-16 code units, four hexadecimal digits each.
fn string(units: &str) -> Result<String, Failure> {
    let units: Result<Vec<u16>, _> =
        units.as_bytes().chunks(4).map(|unit| u16::from_str_radix(&String::from_utf8_lossy(unit), 16)).collect();
    Ok(String::from_utf16(&units?)?)
}

fn number(text: &str) -> Result<Number, Failure> {
    if let Ok(integer) = text.parse::<i64>() {
        return Ok(integer.into());
    }
    Number::from_f64(text.parse()?).ok_or_else(|| "not a number".into())
}

/// What arrived, as its user sees it: a `Value`, or the JSON text where a Rust string cannot hold it.
pub(crate) fn describe(message: &Message) -> String {
    if message.kind() == MessageKind::Bytes {
        let data = message.data();
        let verdict = if data == pattern(data.len()) { "good" } else { "bad" };
        return format!("bytes:{}:{verdict}", data.len());
    }
    if let Ok(Attached { value, data }) = message.decode::<Attached>() {
        let verdict = if data == pattern(data.len()) { "good" } else { "bad" };
        return format!("attached:{}:{verdict}:{value}", data.len());
    }
    match message.decode::<Value>() {
        Ok(value) => format!("value:{}", to_description(&value)),
        Err(_) => format!("json:{}", String::from_utf8_lossy(message.data())),
    }
}

fn to_description(value: &Value) -> Value {
    let one = |kind: &str, content: Value| Value::Object(Map::from_iter([(kind.to_owned(), content)]));
    let units = |text: &str| text.encode_utf16().map(|unit| format!("{unit:04x}")).collect::<String>().into();
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::String(text) => one("s", units(text)),
        Value::Number(number) => one("n", number.to_string().into()),
        Value::Array(items) => one("a", items.iter().map(to_description).collect()),
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| Value::Array(vec![units(key), to_description(value)]));
            one("o", members.collect())
        }
    }
}
