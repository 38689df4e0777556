//! What a program passes and calls.

use std::ffi::{CString, c_char};
use std::ptr::null;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use simpleipc::{body::*, options::SIPC_NO_TIMEOUT};

use super::{OnClient, OnItems, OnQueue, OnStream, Opened, Publisher, Set};

#[derive(Arbitrary, Debug)]
pub(crate) enum Text {
    Null,
    Good,
    /// A channel on which somebody listens.
    Live,
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
pub(crate) struct Body {
    pub(crate) kind: i32,
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) len_when_null: usize,
}

/// How long something may take that ends by itself: most values are mistakes, none waits for long.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Limit {
    None,
    Brief(u8),
    Negative(i64),
}

/// Only ports that cannot be: others may be somebody's.
pub(crate) const NO_PORTS: [u32; 3] = [0, 65536, u32::MAX];

#[derive(Arbitrary, Debug)]
pub(crate) enum Call {
    PostRequest(Text, Body),
    PostBroadcast(Text, Body),
    PostPort(u8, bool, Body),
    PostAsync(Text, bool, Body, Then),
    PostPortAsync(u8, bool, Body, Then),
    Listen(Text, bool, usize),
    ListenPort(u8, bool),
    Client(Place, Vec<OnClient>),
    Queue(Vec<OnQueue>),
    ListenToPublish(Text, usize),
    Subscribe(Publisher, Vec<OnStream>),
    Stream(Opened, bool, Body, Vec<OnItems>),
    Bodies(Vec<u8>),
    Channels(Text),
    Status(i32),
    Clone,
    Nothing,
}

#[derive(Arbitrary, Debug)]
pub(crate) enum Place {
    Name(Text),
    Path(Text),
    Port(u8),
}

/// What is done with an operation.
#[derive(Arbitrary, Debug)]
pub(crate) struct Then {
    pub(crate) callback: bool,
    pub(crate) cancel: bool,
    pub(crate) first: Limit,
}

#[derive(Arbitrary, Debug)]
pub(crate) struct Program {
    pub(crate) null_options: bool,
    pub(crate) with_error: bool,
    pub(crate) set: Vec<Set>,
    pub(crate) calls: Vec<Call>,
}

impl Text {
    pub(crate) fn into_c(self) -> Option<CString> {
        match self {
            Text::Null => None,
            Text::Good => Some(c"channel".to_owned()),
            Text::Live => Some(c"live".to_owned()),
            Text::Bytes(mut bytes) => {
                bytes.retain(|&byte| byte != 0);
                Some(CString::new(bytes).unwrap())
            }
        }
    }
}

pub(crate) fn pointer(text: &Option<CString>) -> *const c_char {
    text.as_ref().map_or(null(), |text| text.as_ptr())
}

pub(crate) fn port(choice: u8) -> u32 {
    NO_PORTS[usize::from(choice) % NO_PORTS.len()]
}

impl Body {
    pub(crate) fn as_c(&self) -> sipc_body {
        match &self.data {
            // Random bytes must not be taken for pointers.
            Some(data) if self.kind == SIPC_KIND_ATTACHED && data.len() == size_of::<sipc_attached>() => {
                sipc_body { kind: self.kind, data: data.as_ptr().cast(), len: data.len() - 1 }
            }
            Some(data) => sipc_body { kind: self.kind, data: data.as_ptr().cast(), len: data.len() },
            None => sipc_body { kind: self.kind, data: null(), len: self.len_when_null },
        }
    }
}

impl Limit {
    pub(crate) fn ms(self) -> i64 {
        match self {
            Limit::None => SIPC_NO_TIMEOUT,
            Limit::Brief(ms) => i64::from(ms % 4),
            Limit::Negative(ms) => -1 - (ms & i64::MAX),
        }
    }
}
