//! Memory of responders that were used up, for the next ones of the thread: a handler that answers at once takes none anew.

use std::cell::RefCell;
use std::mem::MaybeUninit;

use super::sipc_responder;

/// How many a thread keeps.
const MOST: usize = 4;

/// Where a responder was, and one may be again.
struct Memory(Box<MaybeUninit<sipc_responder>>);

thread_local! {
    static SPARE: RefCell<Vec<Memory>> = const { RefCell::new(Vec::new()) };
}

/// Hands a responder to C.
#[inline]
pub(super) fn hand_out(responder: sipc_responder) -> *mut sipc_responder {
    let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).unwrap_or_default();
    Box::into_raw(match spare {
        Some(Memory(memory)) => Box::write(memory, responder),
        None => Box::new(responder),
    })
}

/// Takes it back from C.
///
/// # Safety
/// `responder` came from [`hand_out`] and is not used again.
#[inline]
pub(super) unsafe fn take_back(responder: *mut sipc_responder) -> sipc_responder {
    // SAFETY: by this function's contract it is there, in memory that came from a box and holds nothing any more after this.
    let (taken, memory) = unsafe { (responder.read(), Box::from_raw(responder.cast::<MaybeUninit<sipc_responder>>())) };
    let _is_freed_in_a_thread_that_ends = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < MOST {
            spare.push(Memory(memory));
        }
    });
    taken
}
