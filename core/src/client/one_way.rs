//! The books of one-way messages, for every kind of client: how many were sent on a session, how many of them
//! are known to have arrived, and what is to be said where a session ends before that is known.

use crate::error::Error;

/// What became of the one-way messages of one session.
#[derive(Debug, Default)]
pub(crate) struct OneWay {
    sent: u64,
    confirmed: u64,
    /// What went wrong with one of them, where that has not been said yet.
    error: Option<Error>,
}

impl OneWay {
    /// One more was sent.
    #[inline]
    pub(crate) fn count(&mut self) {
        self.sent += 1;
    }

    /// How many were sent: a flush that begins now is about them.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether some were sent that nobody has confirmed.
    #[inline]
    pub(crate) fn is_unconfirmed(&self) -> bool {
        self.confirmed < self.sent
    }

    /// The first `sent` have arrived.
    pub(crate) fn confirm(&mut self, sent: u64) {
        self.confirmed = self.confirmed.max(sent);
    }

    /// The listener refused one of them.
    pub(crate) fn refuse(&mut self, error: Error) {
        self.error.get_or_insert(error);
    }

    /// What went wrong with one of them, if it has not been said yet. The session goes on.
    pub(crate) fn take_error(&mut self) -> Option<Error> {
        self.error.take()
    }

    /// Whether [`take_error`](OneWay::take_error) has something to say.
    pub(crate) fn has_error(&self) -> bool {
        self.error.is_some()
    }

    /// The session takes nothing more, for a reason: what is to be told of messages that were sent on it. Told
    /// once; nobody will ever know more about them.
    pub(crate) fn retire(&mut self, why: impl FnOnce() -> Error) -> Option<Error> {
        let unconfirmed = self.sent - std::mem::replace(&mut self.confirmed, self.sent);
        let told = self.error.take();
        told.or_else(|| (unconfirmed > 0).then(|| super::unconfirmed(unconfirmed, why())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn gone() -> Error {
        Error::new(ErrorKind::Closing, "it has gone")
    }

    #[test]
    fn what_nobody_confirmed_is_told_once_and_with_its_number() {
        let mut one_way = OneWay::default();
        assert!(one_way.retire(gone).is_none());
        (0..5).for_each(|_| one_way.count());
        one_way.confirm(2);
        one_way.confirm(1);
        assert!(one_way.is_unconfirmed());
        let told = one_way.retire(gone).unwrap();
        assert_eq!((told.kind(), told.may_have_been_handled()), (ErrorKind::Closing, true));
        assert_eq!(told.message(), "3 broadcasts were not confirmed: it has gone");
        assert!(one_way.retire(gone).is_none() && !one_way.is_unconfirmed());
    }

    #[test]
    fn a_refusal_is_told_in_place_of_the_number() {
        let mut one_way = OneWay::default();
        one_way.count();
        one_way.refuse(Error::new(ErrorKind::WrongMode, "requests only"));
        one_way.refuse(gone());
        assert_eq!(one_way.retire(gone).unwrap().kind(), ErrorKind::WrongMode);
    }
}
