//! The ids of a session's messages, and what a goaway says about them.

/// Counts up from 1; after the last number comes 1 again.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    last: u32,
    /// Every number has been given.
    all_given: bool,
}

impl Ids {
    /// The id of the message that is sent next.
    pub(crate) fn next(&mut self) -> u32 {
        self.last = self.last.checked_add(1).unwrap_or_else(|| {
            self.all_given = true;
            1
        });
        self.last
    }

    /// Whether a goaway with the id `last` says of the message `id`, which was sent, that it was not taken. What
    /// counts is the order in which they were sent. An id that was never sent says nothing.
    pub(crate) fn leaves_out(&self, last: u32, id: u32) -> bool {
        let was_sent = self.all_given || last <= self.last;
        last == 0 || (was_sent && self.age(id) < self.age(last))
    }

    /// How many ids were given after this one.
    fn age(&self, id: u32) -> u32 {
        self.last.wrapping_sub(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goaway_leaves_out_what_was_sent_after_its_id() {
        let mut ids = Ids::default();
        for _ in 0..5 {
            ids.next();
        }
        for id in 1..=5 {
            assert!(ids.leaves_out(0, id));
            assert_eq!(ids.leaves_out(3, id), id > 3);
            for never_sent in [6, 7, 1 << 31, u32::MAX] {
                assert!(!ids.leaves_out(never_sent, id), "{never_sent} says nothing about {id}");
            }
        }
    }

    #[test]
    fn the_order_of_sending_goes_on_where_the_numbers_begin_anew() {
        let mut ids = Ids { last: u32::MAX - 2, all_given: false };
        let given: Vec<u32> = (0..4).map(|_| ids.next()).collect();
        assert_eq!(given, [u32::MAX - 1, u32::MAX, 1, 2]);
        for (nth, last) in given.iter().enumerate() {
            for (other, id) in given.iter().enumerate() {
                assert_eq!(ids.leaves_out(*last, *id), other > nth, "{last} {id}");
            }
        }
    }
}
