//! One stream at a listener without input and output: which frames of its caller may come, what the handler may send, and
//! how it ends.

use super::inbox::Inbox;
use crate::message::Message;
use crate::protocol::Violation;
use crate::protocol::frame::{Body, HEADER_LEN, Header};
use crate::session::credit::{Allowance, Granted};

/// Why a stream is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The listener has ended it: with an end, a last item or an error.
    Here,
    /// The caller has cancelled it.
    Cancelled,
    /// The caller has gone, or the listener has closed.
    Lost,
}

/// What the handler gets of the caller's items next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Item(Message),
    NotYet,
    /// The caller has said that no more come.
    Ended,
    Over(Over),
}

/// One stream between its opening and its end. Used by one thread at a time.
#[derive(Debug)]
pub(crate) struct Flow {
    /// What the caller may send.
    granted: Granted,
    /// What the caller lets this side send.
    allowance: Allowance,
    inbox: Inbox,
    /// The caller has said that no more items come.
    has_ended: bool,
    over: Option<Over>,
}

impl Flow {
    pub(crate) fn new() -> Flow {
        Flow {
            granted: Granted::new(),
            allowance: Allowance::new(),
            inbox: Inbox::default(),
            has_ended: false,
            over: None,
        }
    }

    /// The caller has sent an item. Whether there was none before it.
    pub(crate) fn data(&mut self, header: &Header, body: Body<'_>) -> Result<bool, Violation> {
        if self.over.is_some() {
            return Ok(false);
        }
        if self.has_ended {
            return Err(Violation::Malformed("an item comes behind the end of its stream's items"));
        }
        self.granted.spend(HEADER_LEN + header.len as usize)?;
        let is_first = self.inbox.is_empty();
        self.inbox.push(header.message_kind(), body);
        Ok(is_first)
    }

    /// The caller sends no more items.
    pub(crate) fn end(&mut self) -> Result<(), Violation> {
        if self.over.is_none() && std::mem::replace(&mut self.has_ended, true) {
            return Err(Violation::Malformed("the items of a stream end twice"));
        }
        Ok(())
    }

    /// The caller lets this side send so many bytes more. Whether it may begin with an item only since this.
    pub(crate) fn credit(&mut self, bytes: u32) -> Result<bool, Violation> {
        if self.over.is_some() {
            return Ok(false);
        }
        let was_there = self.allowance.is_there();
        self.allowance.grant(bytes)?;
        Ok(!was_there && self.allowance.is_there())
    }

    /// Takes the next of the caller's items. What is to be granted for it, [`grant`](Flow::grant) says.
    pub(crate) fn next(&mut self) -> Taken {
        if let Some(over) = self.over {
            return Taken::Over(over);
        }
        match self.inbox.pop() {
            Some(item) => Taken::Item(item),
            None if self.has_ended => Taken::Ended,
            None => Taken::NotYet,
        }
    }

    /// The handler has taken an item of so many bytes: adds what is to be granted to the caller now.
    pub(crate) fn grant(&mut self, len: usize, grants: &mut Vec<u32>) {
        if self.has_ended {
            // Nothing follows that would need it.
            return;
        }
        let mut granted = self.granted.take(HEADER_LEN + len);
        while granted > 0 {
            grants.push(granted);
            granted = self.granted.grant();
        }
    }

    /// Whether the caller lets an item begin.
    pub(crate) fn may_send(&self) -> bool {
        self.over.is_none() && self.allowance.is_there()
    }

    /// An item of so many bytes, which [may be sent](Flow::may_send), begins.
    pub(crate) fn sends(&mut self, len: usize) {
        self.allowance.spend(HEADER_LEN + len);
    }

    /// Ends it, if it is not over: items that were not taken are gone. Whether it was not.
    pub(crate) fn close(&mut self, over: Over) -> bool {
        if self.over.is_some() {
            return false;
        }
        self.over = Some(over);
        self.inbox.clear();
        true
    }

    pub(crate) fn over(&self) -> Option<Over> {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MessageKind;
    use crate::protocol::frame::{Kind, MOST_CREDIT};
    use crate::session::credit::WINDOW;

    fn data(flow: &mut Flow, len: usize) -> Result<bool, Violation> {
        let body = vec![b'x'; len];
        let header = Header { len: len as u32, flags: 1, ..Header::bare(Kind::Data, 1) };
        flow.data(&header, Body::Owned(body))
    }

    #[test]
    fn items_come_in_order_and_then_the_end() {
        let mut flow = Flow::new();
        assert_eq!(flow.next(), Taken::NotYet);
        assert!(data(&mut flow, 1).unwrap());
        assert!(!data(&mut flow, 2).unwrap());
        flow.end().unwrap();
        for len in [1, 2] {
            let Taken::Item(item) = flow.next() else { panic!("an item of {len} bytes is due") };
            assert_eq!((item.len(), item.kind()), (len, MessageKind::Bytes));
        }
        assert_eq!(flow.next(), Taken::Ended);
        assert_eq!(flow.next(), Taken::Ended);
    }

    #[test]
    fn what_breaks_the_rules_is_a_violation_until_the_stream_is_over() {
        let mut flow = Flow::new();
        assert!(data(&mut flow, WINDOW as usize).is_ok());
        assert!(data(&mut flow, 0).is_err(), "without credit");
        let mut flow = Flow::new();
        flow.end().unwrap();
        assert!(data(&mut flow, 0).is_err(), "behind the end");
        assert!(flow.end().is_err(), "a second end");
        assert!(flow.credit(MOST_CREDIT).is_err(), "a balance that no frame could grant");
        assert!(flow.close(Over::Cancelled));
        assert!(!flow.close(Over::Here));
        assert!(data(&mut flow, 0).is_ok() && flow.end().is_ok() && flow.credit(MOST_CREDIT).is_ok());
        assert_eq!(flow.next(), Taken::Over(Over::Cancelled));
        assert!(!flow.may_send());
    }

    #[test]
    fn what_is_taken_is_granted_again_unless_no_more_comes() {
        let mut flow = Flow::new();
        let mut grants = Vec::new();
        for _ in 0..100 {
            data(&mut flow, 10_000).unwrap();
            let Taken::Item(item) = flow.next() else { panic!("an item is due") };
            flow.grant(item.len(), &mut grants);
        }
        let granted: u32 = grants.iter().sum();
        assert!(granted > 100 * 10_016 - WINDOW / 2 && grants.len() < 10, "{grants:?}");
        data(&mut flow, 200_000).unwrap();
        flow.end().unwrap();
        flow.next();
        flow.grant(200_000, &mut grants);
        assert_eq!(grants.iter().sum::<u32>(), granted);
    }

    #[test]
    fn an_item_may_begin_while_the_caller_has_granted_anything() {
        let mut flow = Flow::new();
        flow.sends(WINDOW as usize - HEADER_LEN - 1);
        assert!(flow.may_send());
        flow.sends(1_000_000);
        assert!(!flow.may_send());
        assert!(!flow.credit(0).unwrap() && !flow.credit(1_000_000 + HEADER_LEN as u32 - 1).unwrap());
        assert!(flow.credit(1).unwrap() && flow.may_send());
        assert!(!flow.credit(1).unwrap());
    }
}
