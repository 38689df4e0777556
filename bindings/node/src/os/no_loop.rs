//! Where the environment's own loop watches no descriptors: it cannot be had, and the library's runtime drives calls and listeners.

use std::sync::Weak;

use napi::Env;
use napi::bindgen_prelude::Function;
use simple_ipc::system::RawWaitable;

use crate::convert::Batch;
use crate::deliver::Delivered;

/// Where the events come from when something is readable. Nothing is watched, so nobody asks.
#[expect(dead_code, reason = "no loop that would call these can be had")]
pub(crate) trait Readable: Send + Sync {
    fn readable(&self) -> Option<Batch>;

    fn called(&self) {}
}

/// What a loop watches: there is none.
pub(crate) enum Watch {}

impl Watch {
    pub(crate) fn close(self, _env: &Env) {
        match self {}
    }
}

/// JavaScript's function for events, of which nothing is kept.
pub(crate) struct Receiver;

impl Receiver {
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere the environment may refuse to keep it")]
    pub(crate) fn new(_env: &Env, _function: &Function<'_, Delivered, ()>) -> napi::Result<Receiver> {
        Ok(Receiver)
    }
}

/// Whether the environment's loop can watch: it cannot.
pub(crate) fn can_be_had(_env: &Env) -> bool {
    false
}

/// Watches nothing.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere the environment may refuse it")]
pub(crate) fn watch(
    _env: &Env,
    _what: RawWaitable,
    _receiver: &Receiver,
    _source: Weak<dyn Readable>,
) -> napi::Result<Option<Watch>> {
    Ok(None)
}
