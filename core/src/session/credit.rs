//! How many bytes may be on their way to a receiver: of events to a subscriber, of items to either side of a stream.

use crate::protocol::Violation;
use crate::protocol::frame::MOST_CREDIT;

/// What a sender may send at first, in bytes.
pub(crate) const WINDOW: u32 = 256 << 10;
/// What has been taken is granted anew when it is this much, so that the sender never waits for a receiver that takes
/// what comes, and a grant is no frame for each event or item.
const GRANTED_AT_ONCE: u64 = WINDOW as u64 / 2;

/// The credit of the other side, as the receiver that grants it knows it.
#[derive(Debug)]
pub(crate) struct Granted {
    /// How many bytes are granted and not used; below zero by no more than the last frame.
    balance: i64,
    /// How many bytes were taken and are not granted again.
    taken: u64,
}

impl Granted {
    pub(crate) fn new() -> Granted {
        Granted { balance: WINDOW.into(), taken: 0 }
    }

    /// A frame of so many bytes has come.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), Violation> {
        if self.balance <= 0 {
            return Err(Violation::Malformed("more was sent than the receiver has granted"));
        }
        self.balance -= bytes as i64;
        Ok(())
    }

    /// The user has taken so many bytes. What is to be granted now, 0 is nothing; more, in further grants, may follow.
    pub(crate) fn take(&mut self, bytes: usize) -> u32 {
        self.taken += bytes as u64;
        self.grant()
    }

    /// The next grant, while there is one.
    pub(crate) fn grant(&mut self) -> u32 {
        if self.taken < GRANTED_AT_ONCE {
            return 0;
        }
        let granted = self.taken.min(MOST_CREDIT.into()) as u32;
        self.taken -= u64::from(granted);
        self.balance += i64::from(granted);
        granted
    }
}

/// The credit of this side, as the other side has granted it.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// How many bytes are granted and not used; below zero by no more than the last frame.
    balance: i64,
}

impl Allowance {
    pub(crate) fn new() -> Allowance {
        Allowance { balance: WINDOW.into() }
    }

    /// Whether a frame may begin.
    pub(crate) fn is_there(&self) -> bool {
        self.balance > 0
    }

    /// A frame of so many bytes begins.
    pub(crate) fn spend(&mut self, bytes: usize) {
        debug_assert!(self.is_there(), "a frame begins without credit");
        self.balance -= bytes as i64;
    }

    /// The other side grants so many bytes more; 0 of a stream that was accepted.
    pub(crate) fn grant(&mut self, bytes: u32) -> Result<(), Violation> {
        self.balance += i64::from(bytes);
        if self.balance > i64::from(MOST_CREDIT) {
            return Err(Violation::Malformed("more credit is granted than may be"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_taken_is_granted_by_half_windows() {
        let mut credit = Granted::new();
        let half = WINDOW as usize / 2;
        credit.spend(half - 1).unwrap();
        assert_eq!(credit.take(half - 1), 0);
        credit.spend(1).unwrap();
        assert_eq!(credit.take(1), WINDOW / 2);
        assert_eq!(credit.balance, i64::from(WINDOW));
    }

    proptest! {
        /// A publisher that keeps to its credit is never stuck, and what is on its way is a window and a frame at most.
        #[test]
        fn half_a_window_is_left_when_all_is_taken(
            steps in vec((prop_oneof![16usize..2000, 100_000usize..400_000], 0usize..10), 0..100),
        ) {
            let mut credit = Granted::new();
            let mut publisher = i64::from(WINDOW);
            let mut waiting = VecDeque::new();
            for (size, taken) in steps {
                while publisher <= 0 {
                    let (taken, largest) = (waiting.pop_front(), waiting.iter().copied().max());
                    let taken: usize = taken.expect("nothing is on its way, and the publisher may not send");
                    prop_assert!(waiting.iter().sum::<usize>() <= WINDOW as usize + largest.unwrap_or(0));
                    publisher += i64::from(credit.take(taken));
                }
                prop_assert!(credit.spend(size).is_ok());
                publisher -= size as i64;
                waiting.push_back(size);
                for _ in 0..taken {
                    publisher += waiting.pop_front().map_or(0, |size| i64::from(credit.take(size)));
                }
                prop_assert_eq!(publisher, credit.balance);
            }
            for size in waiting {
                publisher += i64::from(credit.take(size));
            }
            prop_assert!(publisher > i64::from(WINDOW / 2) && publisher <= i64::from(WINDOW));
        }
    }

    #[test]
    fn a_sender_begins_while_it_has_credit_and_is_never_granted_too_much() {
        let mut allowance = Allowance::new();
        allowance.spend(WINDOW as usize + 5);
        assert!(!allowance.is_there());
        allowance.grant(5).unwrap();
        assert!(!allowance.is_there());
        allowance.grant(MOST_CREDIT).unwrap();
        assert!(allowance.is_there());
        allowance.grant(0).unwrap();
        assert!(allowance.grant(1).is_err());
    }

    #[test]
    fn a_frame_may_begin_while_there_is_credit_and_none_without() {
        let mut credit = Granted::new();
        credit.spend(WINDOW as usize - 1).unwrap();
        credit.spend(1 << 30).unwrap();
        assert!(credit.spend(16).is_err());
        assert_eq!(credit.take((1 << 30) + WINDOW as usize - 1), (1 << 30) + WINDOW - 1);
        credit.spend(16).unwrap();
    }

    #[test]
    fn no_grant_is_larger_than_a_frame_can_say_nor_the_balance_than_allowed() {
        let mut credit = Granted::new();
        let frame = u32::MAX as usize + 16;
        credit.spend(frame).unwrap();
        let mut granted = u64::from(credit.take(frame));
        assert_eq!(granted, u64::from(MOST_CREDIT));
        loop {
            match credit.grant() {
                0 => break,
                more => granted += u64::from(more),
            }
        }
        assert!(frame as u64 - granted < GRANTED_AT_ONCE);
        assert!(credit.balance <= i64::from(MOST_CREDIT), "{}", credit.balance);
    }
}
