//! Who drives a session and how near its end it is: one word that threads share.
//!
//! | from | to | who writes it | when |
//! |---|---|---|---|
//! | `Runtime` | `Stalled` | the runtime's driver | the session may take no more: the driver waits until less is in flight |
//! | `Stalled` | `Runtime` | whoever makes room, and then wakes the driver | an answer has left, a handler has returned |
//! | `Runtime`, `Stalled` | `Thread` | the thread that begins to drive it | |
//! | `Thread` | `Batch` | that thread, in its hand-over (`driver/handover.rs`) | messages are here: answers gather from now on |
//! | `Batch` | `Overfull` | whoever adds an answer | more answers have gathered than are to wait |
//! | `Overfull` | `Batch` | the thread, before it takes the next message | it sends what has gathered |
//! | `Batch`, `Overfull` | `Thread` | the thread, in its hand-over | all that was there has been with the handler |
//! | `Batch`, `Overfull` | `Runtime` | whoever finds the thread stuck, in its hand-over | the runtime goes on with the session |
//! | any | `Runtime` | the [dispatcher](crate::server::driver::dispatch) | a driver is done with the session |
//!
//! | from | to | who writes it | when |
//! |---|---|---|---|
//! | `Open` | `Retiring` | the listener | what has arrived is still answered, and nothing after it taken |
//! | `Open`, `Retiring` | `Lost` | whoever finds that the client has gone | nobody waits for anything any more |
//! | any | `Over` | the listener, when its grace period has ended | the driver says goodbye and ends it, whatever is in flight |
//!
//! Every write is a sequentially consistent read-modify-write. Two pairs need that order. Who answers adds to the send
//! queue and then reads `Batch`; who ends a batch writes `Thread` and then looks into the queue: one of them sends. The
//! driver writes `Stalled` and then looks for room; who makes room does so and then reads `Stalled`: the driver sees the
//! room, or is woken.

use crate::sync::atomic::{AtomicU32, Ordering};

/// Who drives a session. A thread's states have the bit of `Thread`, a batch's that of `Batch`, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Driver {
    /// The runtime.
    Runtime = 0b000,
    /// The runtime, which takes nothing more until less is in flight.
    Stalled = 0b001,
    /// A thread of its own, which waits for messages, or takes one to the handler and sends the answer.
    Thread = 0b010,
    /// A thread of its own, which takes several to the handler and then sends their answers together.
    Batch = 0b110,
    /// The same, which is to send answers before it takes the next.
    Overfull = 0b111,
}

/// How near its end a session is. It goes one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub(crate) enum Ending {
    Open = 0,
    /// It ends when what has arrived is answered.
    Retiring = 1,
    /// The client has gone, or does not take what it is sent.
    Lost = 2,
    /// It ends now.
    Over = 3,
}

const DRIVER: u32 = 0b111;
const STALLED_OR_OVERFULL: u32 = 0b001;
const BATCH: u32 = 0b100;
const ENDING: u32 = 0b11 << ENDING_SHIFT;
const ENDING_SHIFT: u32 = 3;
/// Part of a frame is here. Only the driver writes it.
const PARTIAL_FRAME: u32 = 1 << 5;

/// It is a subscription. Only the driver writes it, and only while the session is open.
const SUBSCRIPTION: u32 = 1 << 6;

/// A stream runs on it, or the driver of one has it still. Only the driver writes it, and only while the session is open.
const STREAM: u32 = 1 << 7;

/// The state of a session: a [`Driver`], an [`Ending`], whether part of a frame is here, whether it is a subscription, and
/// whether a stream runs on it.
#[derive(Debug)]
pub(crate) struct State(AtomicU32);

/// What it was at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Seen(u32);

impl Seen {
    #[inline]
    pub(crate) fn driver(self) -> Driver {
        match self.0 & DRIVER {
            0b000 => Driver::Runtime,
            0b001 => Driver::Stalled,
            0b010 => Driver::Thread,
            0b110 => Driver::Batch,
            _ => Driver::Overfull,
        }
    }

    #[inline]
    pub(crate) fn ending(self) -> Ending {
        match (self.0 & ENDING) >> ENDING_SHIFT {
            0 => Ending::Open,
            1 => Ending::Retiring,
            2 => Ending::Lost,
            _ => Ending::Over,
        }
    }

    /// Whether a thread of its own drives it.
    #[inline]
    pub(crate) fn has_a_thread(self) -> bool {
        self.0 & Driver::Thread as u32 != 0
    }

    /// Whether answers gather until the end of a batch.
    #[inline]
    pub(crate) fn is_at_a_batch(self) -> bool {
        self.0 & BATCH != 0
    }

    /// Whether the listener wants it to end, and has closed its receiving side.
    #[inline]
    pub(crate) fn is_to_end(self) -> bool {
        matches!(self.ending(), Ending::Retiring | Ending::Over)
    }

    /// Whether nobody waits for answers any more.
    #[inline]
    pub(crate) fn is_lost(self) -> bool {
        self.0 & (Ending::Lost as u32) << ENDING_SHIFT != 0
    }

    /// Whether it is a subscription: its client is still read when it is to end, as long as something waits for it.
    pub(crate) fn is_subscription(self) -> bool {
        self.0 & SUBSCRIPTION != 0
    }

    /// Whether its client is still read when it is to end: it is a subscription, or a stream runs on it.
    pub(crate) fn is_read_to_its_end(self) -> bool {
        self.0 & (SUBSCRIPTION | STREAM) != 0
    }

    pub(crate) fn has_partial_frame(self) -> bool {
        self.0 & PARTIAL_FRAME != 0
    }
}

impl Default for State {
    fn default() -> State {
        State(AtomicU32::new(0))
    }
}

impl State {
    #[inline]
    pub(crate) fn see(&self) -> Seen {
        Seen(self.0.load(Ordering::SeqCst))
    }

    /// Replaces the driver, for the one that drives. What it was.
    fn driven_by(&self, driver: Driver) -> Driver {
        let swap = |word| Some(word & !DRIVER | driver as u32);
        let before = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, swap);
        Seen(before.unwrap_or_else(|word| word)).driver()
    }

    /// A driver is done with the session: the runtime has it until somebody else does.
    pub(crate) fn to_runtime(&self) {
        self.driven_by(Driver::Runtime);
    }

    /// A thread begins to drive it.
    pub(crate) fn to_thread(&self) {
        self.driven_by(Driver::Thread);
    }

    /// The thread begins a batch.
    #[inline]
    pub(crate) fn begin_batch(&self) {
        self.0.fetch_or(BATCH, Ordering::SeqCst);
    }

    /// The thread ends a batch.
    #[inline]
    pub(crate) fn end_batch(&self) {
        self.0.fetch_and(!(BATCH | STALLED_OR_OVERFULL), Ordering::SeqCst);
    }

    /// More answers have gathered than are to wait.
    pub(crate) fn overfill(&self) {
        self.change(Driver::Batch, Driver::Overfull);
    }

    /// The thread sends what has gathered before it takes the next message.
    pub(crate) fn relieve(&self) {
        self.change(Driver::Overfull, Driver::Batch);
    }

    /// The runtime's driver waits until less is in flight; it looks for room once more after this.
    pub(crate) fn stall(&self) {
        self.change(Driver::Runtime, Driver::Stalled);
    }

    /// Something has left or has ended. Whether the driver is to be woken: it has stalled, or is to end the session when
    /// nothing is left.
    #[inline]
    pub(crate) fn unstall(&self) -> bool {
        let seen = self.see();
        match seen.driver() {
            Driver::Stalled => self.change(Driver::Stalled, Driver::Runtime) || seen.is_to_end(),
            Driver::Runtime => seen.is_to_end(),
            Driver::Thread | Driver::Batch | Driver::Overfull => false,
        }
    }

    /// Goes from one driver's state to another, if it is in that one.
    fn change(&self, from: Driver, to: Driver) -> bool {
        let change = |word| (word & DRIVER == from as u32).then_some(word & !DRIVER | to as u32);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, change).is_ok()
    }

    /// Goes on to an ending, if it is not there yet. What it was.
    pub(crate) fn end(&self, ending: Ending) -> Seen {
        let advance = |word: u32| Some(word & !ENDING | (word & ENDING).max((ending as u32) << ENDING_SHIFT));
        Seen(self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, advance).unwrap_or_else(|word| word))
    }

    /// The session becomes a subscription, unless it is to end.
    pub(crate) fn begin_subscription(&self) -> bool {
        let begin = |word: u32| (word & ENDING == 0).then_some(word | SUBSCRIPTION);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, begin).is_ok()
    }

    /// A stream begins on the session, unless that is to end: nothing is taken then.
    pub(crate) fn begin_stream(&self) -> bool {
        let begin = |word: u32| (word & ENDING == 0).then_some(word | STREAM);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, begin).is_ok()
    }

    /// The stream has ended. What the session is by then: where it is to end, its client is not to be read any more.
    pub(crate) fn end_stream(&self) -> Seen {
        Seen(self.0.fetch_and(!STREAM, Ordering::SeqCst) & !STREAM)
    }

    /// Whether part of a frame is here: the driver's word.
    #[inline]
    pub(crate) fn note_partial_frame(&self, is_here: bool) {
        if self.see().has_partial_frame() != is_here {
            self.0.fetch_xor(PARTIAL_FRAME, Ordering::SeqCst);
        }
    }
}
