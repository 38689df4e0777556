//! Pollers of streams that are over serve the next ones: a short stream makes no descriptors of its own.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use crate::lock::lock;
use crate::os::fork::{self, ForkLocal};
use crate::os::poller::Poller;

/// How many wait for a stream at the most.
const MOST: usize = 4;

/// Those that wait for a stream: they watch nothing, and their clocks are not set.
#[derive(Default)]
struct Spare(Mutex<Vec<Poller>>);

static SPARE: ForkLocal<Spare> = ForkLocal::new();

/// The poller of one stream. Dropped when that watches nothing any more, it waits for the next stream, unless its descriptor is
/// known outside: who watches that must not hear of another stream.
pub(super) struct OwnPoller {
    /// There until it is dropped.
    poller: Option<Poller>,
    born: u32,
    is_known: bool,
}

impl OwnPoller {
    pub(super) fn take() -> io::Result<OwnPoller> {
        let born = fork::generation();
        let spare = lock(&SPARE.get().0).pop();
        let poller = Some(spare.map_or_else(Poller::new, Ok)?);
        Ok(OwnPoller { poller, born, is_known: false })
    }

    /// Its descriptor is about to be known outside.
    pub(super) fn make_known(&mut self) {
        self.is_known = true;
    }
}

impl Deref for OwnPoller {
    type Target = Poller;

    fn deref(&self) -> &Poller {
        self.poller.as_ref().expect("there until it is dropped")
    }
}

impl DerefMut for OwnPoller {
    fn deref_mut(&mut self) -> &mut Poller {
        self.poller.as_mut().expect("there until it is dropped")
    }
}

impl Drop for OwnPoller {
    fn drop(&mut self) {
        if self.is_known || self.born != fork::generation() {
            return;
        }
        if let Some(mut poller) = self.poller.take()
            && poller.arm(None).is_ok()
        {
            let mut spare = lock(&SPARE.get().0);
            if spare.len() < MOST {
                spare.push(poller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_poller_that_nobody_else_knows_serves_again_and_is_quiet() {
        // Other tests of this process may take it first; of a few tries one finds its own again.
        let serves_again = (0..100).any(|_| {
            let mut poller = OwnPoller::take().unwrap();
            poller.arm(Some(Instant::now())).unwrap();
            let before = poller.readiness().raw_waitable();
            drop(poller);
            let poller = OwnPoller::take().unwrap();
            assert_eq!(poller.armed(), None);
            assert!(!poller.wait(Some(std::time::Duration::ZERO)).unwrap(), "it tells of what was before");
            poller.readiness().raw_waitable() == before
        });
        assert!(serves_again);
    }

    #[test]
    fn a_poller_whose_descriptor_is_known_serves_no_other_stream() {
        let mut poller = OwnPoller::take().unwrap();
        poller.make_known();
        // It keeps the descriptor's number from being given again.
        let known = poller.readiness();
        drop(poller);
        let others: Vec<_> = (0..=MOST).map(|_| OwnPoller::take().unwrap()).collect();
        assert!(others.iter().all(|other| other.readiness().raw_waitable() != known.raw_waitable()));
    }
}
