//! One call, on a session that is there or on a new one; and again on another where a session certainly did not take
//! the message. A listener may be closing while its successor starts.
use super::connect::{Connected, Purpose};
use super::target::Target;
use super::thread_driver::ThreadSession;
use super::until::Until;
use super::{Attempt, Failed};
use crate::error::{Error, ErrorKind, Result};
use crate::options::Wire;
use crate::os::stream::Stream;
use crate::trace::tell;

/// How many new sessions one call is tried on.
const TRIES: usize = 3;

/// The tries of one call that failed because a session did not take its message.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    /// How many of them were on sessions made for this call, or shared with others.
    count: usize,
    /// Of their reasons the one that says most.
    why: Option<Error>,
}

impl Tries {
    /// What follows where a session did not take the message: `Ok` is another try, an error ends the call. Sessions
    /// that were there before the call (not `is_new`) do not count: all of them may be from before a listener went.
    #[cold]
    pub(crate) fn not_taken(&mut self, why: Error, is_new: bool) -> Result<()> {
        tell!(DEBUG, "a session did not take the message; another may", why: why);
        if !is_new {
            return Ok(());
        }
        // That its listener was closing says more than what a later session says.
        let why = self.why.take().filter(|earlier| earlier.kind() == ErrorKind::Closing).unwrap_or(why);
        self.count += 1;
        if self.count >= TRIES {
            return Err(why);
        }
        self.why = Some(why);
        Ok(())
    }

    /// As [`not_taken`](Tries::not_taken), for a try that may also have failed for good.
    #[cold]
    pub(crate) fn failed(&mut self, failed: Failed, is_new: bool) -> Result<()> {
        match failed {
            Failed::NotTaken(why) => self.not_taken(why, is_new),
            Failed::Error(error) => Err(error),
        }
    }

    /// Why the last try failed, if one has.
    pub(crate) fn why(&mut self) -> Option<Error> {
        self.why.take()
    }

    /// What to say where no other session could be reached: that nobody listens any more says less than that the
    /// listener was closing.
    pub(crate) fn unreached(&mut self, error: Error) -> Error {
        match self.why.take() {
            Some(closing) if closing.kind() == ErrorKind::Closing && error.kind() == ErrorKind::NotListening => closing,
            _ => error,
        }
    }
}

/// Why a call was not taken whose session ended before it was its turn to be sent.
pub(crate) fn ended_before() -> Error {
    Error::new(ErrorKind::ConnectionLost, "the listener closed the connection before it took the message")
}

/// Where a blocking call finds sessions that no other call is using, and leaves the one that it has used.
pub(super) trait FreeSessions {
    /// A session, if one is there, whether or not it is still good.
    fn take(&self) -> Option<Box<ThreadSession>>;
    /// Keeps a session that is open.
    fn put(&self, session: Box<ThreadSession>);
}

/// Makes a call in the calling thread. The purpose's time counts from when there is a session; `until` says what
/// gives the call up before.
#[inline]
pub(super) fn call<T>(
    target: &Target<'_>,
    free: &impl FreeSessions,
    purpose: Purpose,
    until: &Until<'_>,
    new_session: impl Fn(Stream) -> Result<Box<ThreadSession>>,
    mut on_session: impl FnMut(&mut ThreadSession, &Until<'_>) -> Attempt<T>,
    on_deno: impl FnOnce(Stream, &Until<'_>) -> Result<T>,
) -> Result<T> {
    let mut tries = Tries::default();
    loop {
        let mut found = None;
        if target.options.wire != Wire::Deno {
            while let Some(mut session) = free.take() {
                if session.may_be_used() {
                    found = Some(session);
                    break;
                }
            }
        }
        let is_new = found.is_none();
        let mut session = match found {
            Some(session) => session,
            None => match target.connect(purpose, until).map_err(|error| tries.unreached(error))? {
                Connected::Native(stream) => new_session(stream)?,
                Connected::Deno(stream) => return on_deno(stream, &until.within(purpose.timeout)),
            },
        };
        let done = session.call(&until.within(purpose.timeout), &mut on_session);
        if session.is_open() {
            free.put(session);
        }
        match done {
            Ok(done) => return Ok(done),
            Err(failed) => tries.failed(failed, is_new)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_taken(kind: ErrorKind) -> Failed {
        Failed::NotTaken(Error::new(kind, "not taken"))
    }

    #[test]
    fn only_new_sessions_use_up_the_tries_of_a_call() {
        let mut tries = Tries::default();
        for _ in 0..20 {
            tries.failed(not_taken(ErrorKind::ConnectionLost), false).unwrap();
        }
        for _ in 1..TRIES {
            tries.failed(not_taken(ErrorKind::ConnectionLost), true).unwrap();
        }
        assert!(tries.failed(not_taken(ErrorKind::ConnectionLost), true).is_err());
    }

    #[test]
    fn that_a_listener_was_closing_is_told_before_what_came_of_later_tries() {
        let nobody = || Error::new(ErrorKind::NotListening, "nobody");
        let mut tries = Tries::default();
        assert_eq!(tries.unreached(nobody()).kind(), ErrorKind::NotListening);
        tries.failed(not_taken(ErrorKind::Closing), true).unwrap();
        tries.failed(not_taken(ErrorKind::ConnectionLost), true).unwrap();
        assert_eq!(tries.unreached(Error::new(ErrorKind::Os, "no descriptors")).kind(), ErrorKind::Os);
        tries.failed(not_taken(ErrorKind::Closing), true).unwrap_err();

        let mut tries = Tries::default();
        tries.failed(not_taken(ErrorKind::Closing), true).unwrap();
        tries.failed(not_taken(ErrorKind::ConnectionLost), false).unwrap();
        assert_eq!(tries.unreached(nobody()).kind(), ErrorKind::Closing);
    }

    #[test]
    fn what_has_failed_for_good_is_not_tried_again() {
        let for_good = Failed::Error(Error::new(ErrorKind::TimedOut, "too late"));
        assert_eq!(Tries::default().failed(for_good, true).unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
