//! When a client asks for memory that it shares with the listener, and when it goes over to that.

use crate::protocol::Violation;
use crate::protocol::frame::Header;
use crate::protocol::hello::SHARED_MEMORY;

/// After so many frames, or so many bytes of bodies, a session counts as busy: then memory pays for being set up.
const FRAMES: u32 = 8;
const BYTES: usize = 64 << 10;
/// After a refusal it asks again when so many times as much has gone over the session as before.
const LATER: u32 = 64;

/// What a listener has done that gives what no memory can be made of.
pub(crate) const UNUSABLE_MEMORY: Violation =
    Violation::Malformed("the listener gave memory to share that cannot be used");

/// What a listener has done that answers what was not asked.
pub(crate) const UNASKED_MEMORY: Violation = Violation::Malformed("the listener spoke of memory that nobody asked for");

/// How far one session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It never asks: it is not to, or the listener does not know how.
    Never,
    /// It asks when so many frames more, or so many bytes more, have been sent.
    Quiet { frames: u32, bytes: usize },
    /// It has asked.
    Asked,
    /// Memory of so many bytes each way is there, by which the listener sends already.
    Given(u32),
    /// It sends by memory, too.
    Done,
}

/// What one session of a client knows of memory that it shares.
#[derive(Debug)]
pub(crate) struct Sharing {
    stage: Stage,
    /// How much it waits for before it asks, as a multiple of the first time.
    pause: u32,
}

impl Sharing {
    /// Of a session whose client wants memory, where it can be had, or does not.
    pub(crate) fn new(is_wanted: bool) -> Sharing {
        let stage = if is_wanted { Stage::Quiet { frames: FRAMES, bytes: BYTES } } else { Stage::Never };
        Sharing { stage, pause: 1 }
    }

    /// Counts a frame whose body has so many bytes.
    #[inline(always)]
    pub(crate) fn count(&mut self, len: usize) {
        if let Stage::Quiet { frames, bytes } = &mut self.stage {
            *frames = frames.saturating_sub(1);
            *bytes = bytes.saturating_sub(len);
        }
    }

    /// Whether there is something to say to the listener.
    #[inline(always)]
    pub(crate) fn is_due(&self) -> bool {
        match self.stage {
            Stage::Quiet { frames, bytes } => frames == 0 || bytes == 0,
            Stage::Given(_) => true,
            Stage::Never | Stage::Asked | Stage::Done => false,
        }
    }

    /// What is to be said now, where that is due: a question, or that this is the last frame on the socket. The listener's
    /// `features`, where it has said hello, and `may_share`, whether the two processes may at all, can end it before.
    #[cold]
    pub(crate) fn due(&mut self, features: Option<u32>, may_share: impl FnOnce() -> bool) -> Option<Header> {
        match self.stage {
            _ if !self.is_due() => None,
            Stage::Given(bytes) => Some(Header::share(bytes)),
            _ if features? & SHARED_MEMORY != 0 && may_share() => Some(Header::share(0)),
            _ => {
                self.stage = Stage::Never;
                None
            }
        }
    }

    /// What was due has left, or cannot but leave. Whether that was the last frame on the socket.
    pub(crate) fn said(&mut self) -> bool {
        let is_last = matches!(self.stage, Stage::Given(_));
        self.stage = if is_last { Stage::Done } else { Stage::Asked };
        is_last
    }

    /// The listener has answered.
    pub(crate) fn answered(&mut self, bytes: u32) -> Result<(), Violation> {
        if self.stage != Stage::Asked {
            return Err(UNASKED_MEMORY);
        }
        self.stage = if bytes > 0 {
            Stage::Given(bytes)
        } else {
            self.pause = self.pause.saturating_mul(LATER);
            Stage::Quiet { frames: FRAMES.saturating_mul(self.pause), bytes: BYTES.saturating_mul(self.pause as usize) }
        };
        Ok(())
    }

    /// Whether the session never asks.
    #[inline(always)]
    pub(crate) fn is_out_of_question(&self) -> bool {
        self.stage == Stage::Never
    }

    /// Whether the session has memory, or may get it any moment.
    pub(crate) fn is_under_way(&self) -> bool {
        matches!(self.stage, Stage::Asked | Stage::Given(_) | Stage::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_asks_when_it_is_busy_and_only_one_who_knows() {
        let mut sharing = Sharing::new(true);
        for _ in 0..FRAMES {
            assert!(!sharing.is_due());
            sharing.count(1);
        }
        assert_eq!(sharing.due(None, || true), None, "the hello has not come");
        assert_eq!(sharing.due(Some(SHARED_MEMORY), || true), Some(Header::share(0)));
        assert!(!sharing.said() && sharing.is_under_way() && !sharing.is_due());
        let mut large = Sharing::new(true);
        large.count(BYTES);
        assert!(large.is_due());
        assert_eq!(large.due(Some(!SHARED_MEMORY), || true), None);
        assert!(!large.is_due());
        let mut not_wanted = Sharing::new(false);
        not_wanted.count(BYTES);
        assert!(!not_wanted.is_due());
    }

    #[test]
    fn one_who_is_refused_asks_again_much_later_and_one_who_is_given_memory_says_so_once() {
        let mut sharing = Sharing::new(true);
        assert!(sharing.answered(0).is_err(), "it has not asked");
        sharing.count(BYTES);
        sharing.said();
        sharing.answered(0).unwrap();
        sharing.count(BYTES);
        assert!(!sharing.is_due());
        sharing.count(BYTES * LATER as usize);
        assert!(sharing.is_due());
        sharing.said();
        sharing.answered(1 << 18).unwrap();
        assert_eq!(sharing.due(None, || true), Some(Header::share(1 << 18)));
        assert!(sharing.said());
        assert!(!sharing.is_due());
        assert!(sharing.answered(1 << 18).is_err());
    }
}
