//! How a thread that owns a session waits for bytes: first by trying without blocking for a bounded
//! while, then blocked in the kernel.
//!
//! Waking a core that sleeps costs about ten times what a small message costs otherwise, so a thread
//! whose peer answers soon had better not sleep. But a poll that finds nothing is wasted, and on one
//! core it keeps the peer from running. So polling is tried only where it has lately paid: each poll
//! that runs out makes the next 1, 3, 7, … 4095 receives block at once, and one that finds something
//! makes the next receive poll again. With a single CPU nobody polls, and no process lets more
//! threads poll at once than it has cores to spare. What one thread finds out is told to the others: where as many poll as
//! may, or where many polls of the process in a row have run out, the next receives block, too, so that threads by the
//! hundred need not each find out for themselves.

use std::io;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::os::online_cpus;
use crate::os::stream::{Wait, would_block};

/// The most receives that block at once after a poll that ran out.
const LONGEST_PAUSE: u32 = 4095;

/// How long a peer may take to copy 1 KiB, about: 1 GB/s.
const COPYING: Duration = Duration::from_micros(1);

/// How many tries go by between two looks at the clock.
const TRIES_A_LOOK: usize = 16;

/// The most where it did not poll itself.
const LONGEST_WAY: u32 = 255;

/// So many polls in a row, of whichever sessions of this process, that have run out say that polling pays for none:
const NONE_PAYS: u32 = 32;
/// of so many tries one polls then, to find out when it does again.
const PROBES: u32 = 16;

/// How many polls of this process in a row have run out, or were not made as too many had. Written by who would poll;
/// relaxed: it orders nothing.
static RAN_OUT: AtomicU32 = AtomicU32::new(0);

/// Threads of this process that poll at this moment.
static POLLING: AtomicUsize = AtomicUsize::new(0);

/// The waiting strategy of one session.
#[derive(Debug)]
pub(crate) struct SpinWait {
    longest: Duration,
    /// How many threads of this process may poll at once.
    seats: usize,
    /// How many receives block at once before the next poll.
    pause: u32,
    /// What `pause` becomes when the next poll runs out.
    next_pause: u32,
    /// The last look at the clock while it polled, if that was moments before the receive returned.
    looked: Option<Instant>,
}

impl SpinWait {
    /// A strategy that polls for at most `longest`; zero never polls.
    pub(crate) fn new(longest: Duration) -> SpinWait {
        let seats = if longest.is_zero() { 0 } else { online_cpus() / 2 };
        SpinWait { longest, seats, pause: 0, next_pause: 1, looked: None }
    }

    /// Takes over what another has found out.
    pub(crate) fn learn(&mut self, other: &SpinWait) {
        (self.pause, self.next_pause) = (other.pause, other.next_pause);
    }

    /// The time, as it was within a few microseconds when the last receive returned.
    pub(crate) fn now(&self) -> Instant {
        self.looked.unwrap_or_else(Instant::now)
    }

    /// Whether the last poll found something: the peer runs at the same time, on another core.
    pub(crate) fn pays(&self) -> bool {
        self.seats > 0 && self.pause == 0 && self.next_pause == 1
    }

    /// Receives through `recv`: without waiting while polling pays, then with waiting.
    pub(crate) fn receive<T>(&mut self, recv: impl FnMut(Wait) -> io::Result<T>) -> io::Result<T> {
        self.receive_body(0, recv)
    }

    /// As [`receive`](SpinWait::receive), where the peer has about `bytes` to copy before something can
    /// come: it polls for that much longer.
    pub(crate) fn receive_body<T>(
        &mut self,
        bytes: usize,
        mut recv: impl FnMut(Wait) -> io::Result<T>,
    ) -> io::Result<T> {
        self.looked = None;
        if self.seats == 0 {
            return recv(Wait::Yes);
        }
        if self.pause > 0 {
            // A try first would only cost: what is there already is received at once either way.
            self.pause -= 1;
            return recv(Wait::Yes);
        }
        // What had come before says nothing about what a poll would have found.
        match recv(Wait::Poll) {
            Err(error) if would_block(&error) => {}
            done => return done,
        }
        if RAN_OUT.load(Ordering::Relaxed) >= NONE_PAYS
            && !RAN_OUT.fetch_add(1, Ordering::Relaxed).is_multiple_of(PROBES)
        {
            self.give_way();
            return recv(Wait::Yes);
        }
        let Some(_seat) = Seat::take(self.seats) else {
            // As many poll as may: this is one of too many threads for that, and had better sleep the next times, too.
            self.give_way();
            return recv(Wait::Yes);
        };
        let began = Instant::now();
        self.looked = Some(began);
        let longest = self.longest + COPYING * (bytes / 1024) as u32;
        loop {
            // A try is a system call, which costs a few times what the clock does.
            for _ in 0..TRIES_A_LOOK {
                match recv(Wait::Poll) {
                    Err(error) if would_block(&error) => {}
                    done => {
                        self.next_pause = 1;
                        if RAN_OUT.load(Ordering::Relaxed) > 0 {
                            RAN_OUT.store(0, Ordering::Relaxed);
                        }
                        return done;
                    }
                }
            }
            let now = Instant::now();
            self.looked = Some(now);
            if now - began >= longest {
                break;
            }
        }
        self.looked = None;
        self.back_off();
        RAN_OUT.fetch_add(1, Ordering::Relaxed);
        drop(_seat);
        recv(Wait::Yes)
    }

    /// Has some receives block at once without having polled: others have found out that it does not pay, or are at it.
    fn give_way(&mut self) {
        self.back_off();
        self.pause = self.pause.min(LONGEST_WAY);
    }

    /// Has more receives block at once than the last time.
    fn back_off(&mut self) {
        self.pause = self.next_pause;
        self.next_pause = (self.next_pause * 2 + 1).min(LONGEST_PAUSE);
    }
}

/// The right to poll, given back when dropped.
struct Seat;

impl Seat {
    fn take(seats: usize) -> Option<Seat> {
        if POLLING.fetch_add(1, Ordering::Relaxed) < seats {
            return Some(Seat);
        }
        POLLING.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        POLLING.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that answers 'would block' to tries, and counts tries and waits.
    fn empty(tries: &mut u32, waits: &mut u32, wait: Wait) -> io::Result<()> {
        match wait {
            Wait::No | Wait::Poll => {
                *tries += 1;
                Err(io::ErrorKind::WouldBlock.into())
            }
            Wait::Yes => {
                *waits += 1;
                Ok(())
            }
        }
    }

    #[test]
    fn polls_that_run_out_become_rare() {
        let mut waiter = SpinWait::new(Duration::from_nanos(1));
        waiter.seats = usize::MAX;
        let mut polls = 0;
        for _ in 0..1000 {
            let (mut tries, mut waits) = (0, 0);
            waiter.receive(|wait| empty(&mut tries, &mut waits, wait)).unwrap();
            assert_eq!(waits, 1);
            polls += u32::from(tries > TRIES_A_LOOK as u32);
        }
        assert!(polls <= 10, "{polls} polls of 1000 receives that found nothing");
    }

    #[test]
    fn a_poll_that_finds_something_keeps_the_next_receive_polling() {
        let mut waiter = SpinWait::new(Duration::from_secs(60));
        waiter.seats = usize::MAX;
        for _ in 0..100 {
            let mut tries = 0;
            waiter
                .receive(|wait| {
                    assert_eq!(wait, Wait::Poll, "it blocked though polling pays");
                    tries += 1;
                    if tries < 5 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
                })
                .unwrap();
        }
    }

    #[test]
    fn zero_never_polls() {
        let mut waiter = SpinWait::new(Duration::ZERO);
        let (mut tries, mut waits) = (0, 0);
        waiter.receive(|wait| empty(&mut tries, &mut waits, wait)).unwrap();
        assert_eq!((tries, waits), (0, 1));
    }
}
