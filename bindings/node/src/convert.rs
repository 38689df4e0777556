//! Rust's values to JavaScript's and back.

use napi::bindgen_prelude::{
    Array, Either, Either3, FromNapiValue, ToNapiValue, TypeName, Uint8ArraySlice, ValidateNapiValue,
};
use napi::{Env, JsValue, Unknown, ValueType, sys};
use simple_ipc::{Channel, Counters, Error, ErrorKind, Event as Publication, Message, MessageKind, Result};

use crate::event::{Event, Outcome};

/// V8's strings end at half a gibibyte.
const TOO_LONG: &str = "the body is larger than a value of this JavaScript engine may be; send less, or bytes";

/// A body as JavaScript hands it over: JSON text, bytes, or both.
pub(crate) type Body<'a> = Either3<Text, &'a [u8], Parts<'a>>;

/// JSON text with bytes: an array of the two.
pub struct Parts<'a>(Text, &'a [u8]);

impl TypeName for Parts<'_> {
    fn type_name() -> &'static str {
        "Array"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ValidateNapiValue for Parts<'_> {}

impl<'a> FromNapiValue for Parts<'a> {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Parts<'a>> {
        let mut parts = [std::ptr::null_mut(); 2];
        for (at, part) in (0..).zip(&mut parts) {
            // SAFETY: the caller's handles are live.
            napi::check_status!(unsafe { sys::napi_get_element(env, value, at, part) })?;
        }
        let [json, bytes] = parts;
        // SAFETY: both are live, since the array that they are of is. What is no typed array is refused.
        unsafe { Ok(Parts(Text::from_napi_value(env, json)?, <&[u8]>::from_napi_value(env, bytes)?)) }
    }
}

/// Text of JavaScript's. As `String`, and quicker where it is ASCII: it is not gone through before it is copied.
pub struct Text(String);

impl Text {
    /// Whether JSON has it as it is between two quotation marks: ASCII without anything that is to be escaped.
    pub(crate) fn is_plain(&self) -> bool {
        // No early end within a piece: so the compiler looks at many bytes at once.
        self.0.as_bytes().chunks(4096).all(|piece| {
            piece
                .iter()
                .fold(true, |plain, &byte| plain & (b' '..0x80).contains(&byte) & (byte != b'"') & (byte != b'\\'))
        })
    }
}

impl TypeName for Text {
    fn type_name() -> &'static str {
        "String"
    }

    fn value_type() -> ValueType {
        ValueType::String
    }
}

impl ValidateNapiValue for Text {}

impl FromNapiValue for Text {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> napi::Result<Text> {
        /// The longest character, and the NUL behind the text.
        const SPARE: usize = 4 + 1;
        let mut units = 0;
        // SAFETY: the caller's handles are live. Without a buffer this only tells the length.
        napi::check_status!(unsafe {
            sys::napi_get_value_string_latin1(env, value, std::ptr::null_mut(), 0, &raw mut units)
        })?;
        let mut text: Vec<u8> = Vec::with_capacity(units + SPARE);
        let mut written = 0;
        // SAFETY: as above, and the buffer has that capacity.
        napi::check_status!(unsafe {
            sys::napi_get_value_string_utf8(env, value, text.as_mut_ptr().cast(), units + SPARE, &raw mut written)
        })?;
        // Where a character did not fit, less than its four bytes were left: more than `units` were written.
        if written != units {
            // SAFETY: the caller's handles are passed on.
            return Ok(Text(unsafe { String::from_napi_value(env, value) }?));
        }
        // SAFETY: the call has written that many bytes.
        unsafe { text.set_len(written) };
        Ok(Text(String::from_utf8(text).map_err(|_| napi::Error::from_reason("JavaScript's text is not UTF-8"))?))
    }
}

/// Takes JavaScript's body over. Text comes from `JSON.stringify` and is not looked at again.
pub(crate) fn message(body: Body<'_>) -> Message {
    match body {
        Either3::A(Text(text)) => Message::json_unchecked(text),
        Either3::B(bytes) => Message::bytes(bytes),
        Either3::C(Parts(Text(json), bytes)) => {
            Message::attached_unchecked(&json, bytes).expect("a text of JavaScript is shorter than 4 GiB")
        }
    }
}

/// A channel from a name or a port; any other number is no port.
pub(crate) fn channel(place: &Either<String, f64>) -> Result<Channel> {
    match *place {
        Either::A(ref name) => Channel::uds(name),
        Either::B(port) if port.fract() == 0.0 && (0.0..=65535.0).contains(&port) =>
        {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in a port's range")]
            Channel::ip(port as u16)
        }
        Either::B(port) => {
            Err(Error::new(ErrorKind::InvalidPort, format!("{port} is no port: use a whole number from 1 to 65535")))
        }
    }
}

/// What JavaScript gets in one turn.
#[derive(Default)]
pub struct Batch(pub(crate) Vec<Event>);

impl ToNapiValue for Batch {
    unsafe fn to_napi_value(env: sys::napi_env, batch: Batch) -> napi::Result<sys::napi_value> {
        Ok(events(&Env::from_raw(env), batch.0)?.raw())
    }
}

/// One flat array: for each event its kind, its number and what belongs to it. `lib/calls.cjs` reads it.
///
/// | kind | what follows |
/// |---|---|
/// | 0 | call, value |
/// | 1 | call, error |
/// | 2 | message, body, listener, process id, user id, group id |
/// | 3 | message |
/// | 4 | message, why it cannot be shown to JavaScript |
/// | 5 | (the last: let the loop turn, then ask for more) |
/// | 6 | call, client |
/// | 7 | call, subscription |
/// | 8 | call, stream |
fn events(env: &Env, events: Vec<Event>) -> napi::Result<Array<'_>> {
    let mut array = env.create_array(0)?;
    for event in events {
        match event {
            Event::Finished { call, outcome: Ok(Outcome::Client(client)) } => {
                array.insert(6)?;
                array.insert(call)?;
                array.insert(client)?;
            }
            Event::Finished { call, outcome: Ok(Outcome::Subscription(subscription)) } => {
                array.insert(7)?;
                array.insert(call)?;
                array.insert(subscription)?;
            }
            Event::Finished { call, outcome: Ok(Outcome::Stream(stream)) } => {
                array.insert(8)?;
                array.insert(call)?;
                array.insert(stream)?;
            }
            Event::Finished { call, outcome: Ok(outcome) } => match value(env, outcome) {
                Ok(value) => {
                    array.insert(0)?;
                    array.insert(call)?;
                    array.insert(value)?;
                }
                Err(_) => {
                    array.insert(1)?;
                    array.insert(call)?;
                    array.insert(failure(env, &Error::new(ErrorKind::TooLarge, TOO_LONG).after_sending())?)?;
                }
            },
            Event::Finished { call, outcome: Err(error) } => {
                array.insert(1)?;
                array.insert(call)?;
                array.insert(failure(env, &error)?)?;
            }
            Event::Message { listener, id, message, peer, _room } => match body(env, &message) {
                Ok(body) => {
                    array.insert(2)?;
                    array.insert(id)?;
                    array.insert(body)?;
                    array.insert(listener)?;
                    array.insert(peer.pid())?;
                    array.insert(peer.uid())?;
                    array.insert(peer.gid())?;
                }
                Err(_) => {
                    array.insert(4)?;
                    array.insert(id)?;
                    array.insert(TOO_LONG)?;
                }
            },
            Event::Cancelled { id } => {
                array.insert(3)?;
                array.insert(id)?;
            }
            Event::Pause => array.insert(5)?,
        }
    }
    Ok(array)
}

/// What a call returns at once: `true` if it has ended well without a value, `undefined` if it goes on.
pub(crate) fn started<'env>(env: &'env Env, outcome: Option<Result<Outcome>>) -> napi::Result<Unknown<'env>> {
    match outcome {
        None => ().into_unknown(env),
        Some(Ok(Outcome::Nothing)) => true.into_unknown(env),
        Some(Ok(outcome)) => match value(env, outcome) {
            Ok(value) => {
                let mut array = env.create_array(0)?;
                array.insert(value)?;
                array.into_unknown(env)
            }
            Err(_) => started(env, Some(Err(Error::new(ErrorKind::TooLarge, TOO_LONG).after_sending()))),
        },
        Some(Err(error)) => {
            let mut array = env.create_array(0)?;
            array.insert(())?;
            array.insert(failure(env, &error)?)?;
            array.into_unknown(env)
        }
    }
}

/// `[value]` or `[undefined, error]`.
pub(crate) fn result<T: ToNapiValue>(env: &Env, result: Result<T>) -> napi::Result<Unknown<'_>> {
    let mut array = env.create_array(0)?;
    match result {
        Ok(value) => array.insert(value)?,
        Err(error) => {
            array.insert(())?;
            array.insert(failure(env, &error)?)?;
        }
    }
    array.into_unknown(env)
}

fn value<'env>(env: &'env Env, outcome: Outcome) -> napi::Result<Unknown<'env>> {
    match outcome {
        Outcome::Nothing => ().into_unknown(env),
        Outcome::Message(message) => body(env, &message),
        Outcome::Client(number) | Outcome::Subscription(number) | Outcome::Stream(number) => number.into_unknown(env),
        Outcome::Publication(event) => publication(env, &event),
        #[expect(clippy::cast_precision_loss, reason = "there are far fewer subscribers than 2^53")]
        Outcome::Subscribers(count) => (count as f64).into_unknown(env),
        Outcome::Time(time) => (time.as_secs_f64() * 1000.0).into_unknown(env),
    }
}

/// What a subscription has received: `[body, topic, missed, retained]`. `lib/subscription.cjs` reads it.
fn publication<'env>(env: &'env Env, event: &Publication) -> napi::Result<Unknown<'env>> {
    let mut array = env.create_array(4)?;
    array.set(0, body(env, &event.data)?)?;
    array.set(1, event.topic.as_str())?;
    array.set(2, event.missed)?;
    array.set(3, event.retained)?;
    array.into_unknown(env)
}

/// JSON as a string, bytes as a `Uint8Array`, JSON with bytes as an array of both, all in memory of JavaScript's own: handing ours over would spare a copy,
/// but its collector (Deno's above all) does not count such memory, and lets it grow.
fn body<'env>(env: &'env Env, message: &Message) -> napi::Result<Unknown<'env>> {
    if let Some((json, bytes)) = message.as_attached() {
        let mut parts = env.create_array(2)?;
        parts.set(0, text(env, json)?)?;
        parts.set(1, Uint8ArraySlice::copy_from(env, bytes)?)?;
        return parts.into_unknown(env);
    }
    match message.kind() {
        MessageKind::Json => text(env, message.data()),
        _ => Uint8ArraySlice::copy_from(env, message.data())?.into_unknown(env),
    }
}

fn text<'env>(env: &'env Env, json: &[u8]) -> napi::Result<Unknown<'env>> {
    if json.is_ascii() {
        env.create_string_latin1(json)?.into_unknown(env)
    } else {
        env.create_string(String::from_utf8_lossy(json))?.into_unknown(env)
    }
}

/// `[code, message, mayHaveBeenHandled, errno, cause, handlerCode, handlerData as JSON]`, of which `lib/error.cjs` makes an error.
pub(crate) fn failure<'env>(env: &'env Env, error: &Error) -> napi::Result<Array<'env>> {
    let mut array = env.create_array(0)?;
    array.insert(error.kind().name())?;
    array.insert(error.message())?;
    array.insert(error.may_have_been_handled())?;
    array.insert(error.os_code())?;
    array.insert(std::error::Error::source(error).map(ToString::to_string))?;
    array.insert(error.handler_code())?;
    array.insert(error.handler_data())?;
    Ok(array)
}

/// A listener's counters, as JavaScript reads them.
#[napi_derive::napi(object)]
pub struct CountersObject {
    /// Connections accepted so far.
    pub connections: f64,
    /// Connections open now.
    pub open: f64,
    /// Messages handed to the handler.
    pub messages: f64,
    /// Messages whose handler failed.
    pub failed: f64,
    /// Connections that did not follow the protocol.
    pub malformed: f64,
    /// Connections of users who may not connect.
    pub refused: f64,
    /// Connections that ended inside a message.
    pub incomplete: f64,
    /// Messages that are not answered yet, now.
    pub in_flight: f64,
    /// Requests that nobody waits for any more and whose handlers go on, now.
    pub abandoned: f64,
    /// Subscribers, now.
    pub subscribers: f64,
    /// Events published.
    pub published: f64,
    /// Events that were dropped, for each subscriber that missed them.
    pub dropped: f64,
    /// Subscribers that were cut off since they were too slow.
    pub too_slow: f64,
    /// Streams open now.
    pub streams: f64,
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, which no counter reaches")]
impl From<Counters> for CountersObject {
    fn from(counters: Counters) -> CountersObject {
        CountersObject {
            connections: counters.connections as f64,
            open: counters.open as f64,
            messages: counters.messages as f64,
            failed: counters.failed as f64,
            malformed: counters.malformed as f64,
            refused: counters.refused as f64,
            incomplete: counters.incomplete as f64,
            in_flight: counters.in_flight as f64,
            abandoned: counters.abandoned as f64,
            subscribers: counters.subscribers as f64,
            published: counters.published as f64,
            dropped: counters.dropped as f64,
            too_slow: counters.too_slow as f64,
            streams: counters.streams as f64,
        }
    }
}
