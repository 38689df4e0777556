//! Where the messages of one post or client go, and how its listener is reached.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use super::connect::{Connected, Connecting, LONGEST_PAUSE, Presence, Purpose, Step, presence};
use super::until::Until;
use crate::channel::{Address, Channel};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{MessageKind, MessageRef};
use crate::options::{Options, Wire};
use crate::peer::Peers;

/// What two calls must agree in to use the same session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    address: Address,
    peers: Peers,
    pub(super) max_message: usize,
    spin: Duration,
    pub(super) shares: bool,
}

/// By the address alone: keys of one address that differ are rare, and each post looks for its key twice.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.hash(state);
    }
}

impl Key {
    fn new(address: Address, options: &Options) -> Key {
        Key {
            address,
            peers: options.peers.clone(),
            max_message: options.max_message,
            spin: options.spin,
            shares: options.shared_memory > 0,
        }
    }
}

/// A channel, with the options to reach it by. A one-shot post borrows both; a client owns them.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) channel: Cow<'a, Channel>,
    pub(crate) options: Cow<'a, Options>,
    /// Where the channel is, and which sessions may be used for it.
    pub(crate) key: Key,
}

impl<'a> Target<'a> {
    /// The target of one post. Fails where the options contradict each other, or nobody can listen there.
    pub(crate) fn new(channel: &'a Channel, options: &'a Options) -> Result<Target<'a>> {
        options.check()?;
        if channel.port() == Some(0) {
            return Err(Error::new(ErrorKind::InvalidPort, "port 0 is good for listening only; post to 1 to 65535"));
        }
        let key = Key::new(options.address(channel)?, options);
        Ok(Target { channel: Cow::Borrowed(channel), options: Cow::Borrowed(options), key })
    }

    /// The target of a client. The cancellation in the options is for opening it, not for its calls.
    pub(crate) fn into_owned(self) -> Target<'static> {
        let mut options = self.options.into_owned();
        options.cancellation = None;
        Target { channel: Cow::Owned(self.channel.into_owned()), options: Cow::Owned(options), key: self.key }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.key.address
    }

    /// Names the channel in an error.
    pub(crate) fn named<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.on_channel(&self.channel))
    }

    /// Refuses a body that is larger than the options allow, or that the wire does not have, before anything is sent.
    #[inline]
    pub(crate) fn check_body<'m>(&self, message: impl Into<MessageRef<'m>>) -> Result<()> {
        let message = message.into();
        let (len, max) = (message.len(), self.options.max_message);
        if len > max {
            return Err(larger_than_allowed(len, max));
        }
        if message.kind() == MessageKind::Attached && self.options.wire == Wire::Deno {
            return Err(super::wire_has_no_attachments());
        }
        Ok(())
    }

    /// How long connecting may take for a call with this timeout: the time to wait for a listener is added.
    pub(crate) fn connecting_time(&self, timeout: Option<Duration>) -> Option<Duration> {
        // Together too long to be counted is without limit.
        timeout.and_then(|timeout| timeout.checked_add(self.options.wait))
    }

    /// Tries once to connect, without waiting.
    pub(crate) fn try_connect(&self, connecting: &mut Connecting) -> Result<Step<Connected>> {
        connecting.step(&self.channel, self.address(), &self.options)
    }

    /// Whether nobody listens natively, as this error says, because a listener of the Deno original has the channel.
    pub(crate) fn is_an_original(&self, error: &Error) -> bool {
        let options = Options::clone(&self.options).wire(Wire::Auto);
        error.kind() == ErrorKind::NotListening
            && matches!(presence(&self.channel, self.address(), &options), Ok(Presence::Other))
    }

    /// Looks once who listens, for a caller that has looked since `began`. A listener of the Deno original is
    /// not connected to before there is a message for it: its process would end if nothing came.
    pub(crate) fn look_once(&self, began: Instant) -> Result<Step<Presence>> {
        match presence(&self.channel, self.address(), &self.options) {
            Ok(found) => Ok(Step::Done(found)),
            Err(error) if began.elapsed() >= self.options.wait => Err(error),
            Err(_) => Ok(Step::Pause(LONGEST_PAUSE)),
        }
    }

    /// Connects for a call, pausing in the calling thread.
    pub(crate) fn connect(&self, purpose: Purpose, until: &Until<'_>) -> Result<Connected> {
        let until = until.within(self.connecting_time(purpose.timeout));
        let mut connecting = Connecting::new(purpose.body, until.deadline);
        repeat(&until, || self.try_connect(&mut connecting))
    }

    /// Waits in the calling thread until somebody listens.
    pub(crate) fn look(&self, until: &Until<'_>) -> Result<Presence> {
        let began = Instant::now();
        repeat(until, || self.look_once(began))
    }
}

#[cold]
fn larger_than_allowed(len: usize, max: usize) -> Error {
    let text = format!(
        "the message of {len} bytes is larger than the {max} that this client allows; raise the client's largest \
         message or send less"
    );
    Error::new(ErrorKind::TooLarge, text)
}

/// Repeats a step until it is done or has failed. How long to go on is the step's own matter.
fn repeat<T>(until: &Until<'_>, mut step: impl FnMut() -> Result<Step<T>>) -> Result<T> {
    loop {
        if let Some(error) = until.given_up() {
            return Err(error);
        }
        match step()? {
            Step::Done(done) => return Ok(done),
            Step::Pause(pause) => until.pause(pause)?,
        }
    }
}
