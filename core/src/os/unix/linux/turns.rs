//! Letting a peer run that waits on the same processor: once, before this side sleeps.
//!
//! Two threads on one processor that answer each other need no sleep and no wake-up: each lets the other run. That pays only
//! where the other one is about to run, and not where a third process wants the processor: it may keep it for milliseconds.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// No processor.
const NOWHERE: u32 = 0;

/// Whoever gets the processor back later than this has let somebody else run than the peer.
const LONG: Duration = Duration::from_micros(100);
/// After that so many waits go by at least before the next attempt,
const REST: u32 = 64;
/// and never more than this.
const LONGEST_REST: u32 = 4095;

/// A thread of this process lets others run at this moment: one at a time, since many that do so, and none that sleeps, would keep
/// everybody else waiting. Written by that thread; relaxed, it orders nothing.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// What one side has found out about letting its peer run. All of it is written by the thread that receives, and relaxed: the callers'
/// hand-over orders it.
#[derive(Debug)]
pub(super) struct Turns {
    /// The processor that the peer was told of, as [`here`] numbers them.
    told: AtomicU32,
    /// How many waits do without it from now on.
    skipped: AtomicU32,
    /// What `skipped` becomes when it next was in vain.
    next: AtomicU32,
}

impl Turns {
    pub(super) fn new() -> Turns {
        Turns { told: AtomicU32::new(NOWHERE), skipped: AtomicU32::new(0), next: AtomicU32::new(1) }
    }

    /// Tells the peer, in `ours`, on which processor this side waits, and lets the peer run where it waits on the same one, as it has told in
    /// `theirs`. Whether something `has_come` meanwhile.
    pub(super) fn let_run(&self, ours: &AtomicU32, theirs: &AtomicU32, has_come: impl FnOnce() -> bool) -> bool {
        let here = here();
        if self.told.load(Ordering::Relaxed) != here {
            self.told.store(here, Ordering::Relaxed);
            ours.store(here, Ordering::Relaxed);
        }
        if theirs.load(Ordering::Relaxed) != here {
            return false;
        }
        let skipped = self.skipped.load(Ordering::Relaxed);
        if skipped > 0 {
            self.skipped.store(skipped - 1, Ordering::Relaxed);
            return false;
        }
        if IS_TAKEN.swap(true, Ordering::Relaxed) {
            return false;
        }
        let began = Instant::now();
        std::thread::yield_now();
        let took = began.elapsed();
        IS_TAKEN.store(false, Ordering::Relaxed);
        let has_come = has_come();
        self.note(took, has_come);
        has_come
    }

    /// Takes in how long the peer, or somebody else, has run, and whether something has come of it.
    fn note(&self, took: Duration, has_come: bool) {
        if has_come && took < LONG {
            self.next.store(1, Ordering::Relaxed);
            return;
        }
        let least = if took < LONG { 1 } else { REST };
        let skipped = self.next.load(Ordering::Relaxed).max(least);
        self.skipped.store(skipped, Ordering::Relaxed);
        self.next.store((skipped * 2 + 1).min(LONGEST_REST), Ordering::Relaxed);
    }
}

/// The processor that the calling thread runs on; one more than its number, so that 0 is none.
fn here() -> u32 {
    u32::try_from(rustix::thread::sched_getcpu()).map_or(NOWHERE, |number| number.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of so many waits, how many let the peer run, each for this long and with this result.
    fn turns(waits: u32, took: Duration, has_come: bool) -> u32 {
        let turns = Turns::new();
        let mut taken = 0;
        for _ in 0..waits {
            let skipped = turns.skipped.load(Ordering::Relaxed);
            if skipped > 0 {
                turns.skipped.store(skipped - 1, Ordering::Relaxed);
            } else {
                turns.note(took, has_come);
                taken += 1;
            }
        }
        taken
    }

    #[test]
    fn a_peer_that_answers_gets_every_turn_and_one_that_does_not_few() {
        assert_eq!(turns(10_000, Duration::ZERO, true), 10_000);
        assert!(turns(10_000, Duration::ZERO, false) < 20);
        assert!(turns(10_000, LONG, true) < 10, "somebody else had the processor");
    }

    #[test]
    fn a_peer_elsewhere_and_one_that_has_said_nothing_get_no_turn_but_hear_of_this_side() {
        for theirs in [NOWHERE, u32::MAX] {
            let (turns, ours) = (Turns::new(), AtomicU32::new(NOWHERE));
            let has_come = || panic!("it has let somebody run");
            assert!(!turns.let_run(&ours, &AtomicU32::new(theirs), has_come));
            assert_ne!(ours.load(Ordering::Relaxed), NOWHERE);
        }
    }
}
