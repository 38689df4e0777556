//! The dispatcher: it resets what a driver leaves behind, and starts what drives the session next.

use std::sync::{Arc, Mutex};

use super::dismissal::dismiss;
use super::driven::{Driven, Keeping, KeptSession, Next};
use super::{batch, runtime, stream, subscription, thread};
use crate::lock::lock;
use crate::os::fork;
use crate::server::session::delivery::{Opening, hand_over_stream, run_stream};
use crate::server::stream::OpenStream;
use crate::server::threads::ReservedThread;

/// Starts what happens next with a session.
pub(crate) fn dispatch(driven: Driven, next: Next) {
    if let Next::Forked = next {
        return std::mem::forget(driven);
    }
    driven.session.state.to_runtime();
    let shared = Arc::clone(&driven.session.shared);
    match next {
        Next::Thread(seat) => shared.threads.dedicate(
            seat,
            Box::new(move |seat| {
                let (mut driven, mut seat, mut is_again) = (driven, seat, false);
                loop {
                    match thread::drive(&mut driven, is_again) {
                        Next::Stream(opening) => match keep(driven, seat, *opening) {
                            Some(goes_on) => (driven, seat, is_again) = (goes_on.0, goes_on.1, true),
                            None => return,
                        },
                        next => return dispatch(driven, next),
                    }
                }
            }),
        ),
        Next::Batch(seat) => shared.threads.dedicate(
            seat,
            Box::new(move |_given_back_at_the_end| {
                if let Some((driven, next)) = batch::drive(driven) {
                    dispatch(driven, next);
                }
            }),
        ),
        Next::Runtime => drop(shared.runtime.spawn(run(driven, true))),
        Next::Subscription => drop(shared.runtime.spawn(async move {
            let mut driven = driven;
            let next = subscription::drive(&mut driven).await;
            dispatch(driven, next);
        })),
        Next::Stream(opening) => {
            let session = Arc::clone(&driven.session);
            drive_stream(driven, opening.open());
            hand_over_stream(session, *opening);
        }
        Next::Dismiss(violation) => drop(shared.runtime.spawn(async move { dismiss(&driven, violation).await })),
        Next::End => drop(driven),
        Next::Forked => {}
    }
}

/// Has the runtime drive a session as long as a stream runs on it.
fn drive_stream(mut driven: Driven, open: Arc<OpenStream>) {
    driven.session.state.to_runtime();
    driven.session.shared.runtime.clone().spawn(async move {
        let next = stream::drive(&mut driven, open).await;
        dispatch(driven, next);
    });
}

/// Takes a stream to the handler in the session's own thread, which keeps the session meanwhile: a short stream costs no
/// hand-over to another thread. Returns the session where the thread has it still and may go on with it.
///
/// Nobody receives meanwhile. As soon as somebody needs what the caller sends, or needs what has gathered to be sent (the handler
/// waits, asks to be told, or sends many items), and at the latest after two looks of the [check](super::stuck), the runtime
/// takes the session over.
fn keep(driven: Driven, seat: ReservedThread, opening: Opening) -> Option<(Driven, ReservedThread)> {
    let (born, open) = (fork::generation(), opening.open());
    let (session, drivers) = (Arc::clone(&driven.session), Arc::clone(&driven.drivers));
    session.state.to_runtime();
    let kept: KeptSession = Arc::new(Mutex::new(Some(Keeping { driven, seat, open: Arc::clone(&open) })));
    drivers.keep(&kept);
    session.shared.stuck_check.want();
    let needed = Arc::downgrade(&kept);
    open.drive_when_needed(Box::new(move || {
        if let Some(kept) = needed.upgrade() {
            take_over_kept(&kept);
        }
    }));
    run_stream(Arc::clone(&session), opening);
    if born != fork::generation() {
        // A forked child: all of it is the parent's.
        std::mem::forget((session, open, drivers, kept));
        return None;
    }
    drivers.release(&kept);
    if !open.is_over() || !session.is_quiet() || session.state.see().is_to_end() {
        take_over_kept(&kept);
        return None;
    }
    let Keeping { driven, seat, .. } = lock(&kept).take()?;
    if session.state.end_stream().is_to_end() {
        // As the listener had it when the stream still needed its caller's frames.
        let _gone_already = session.socket.shutdown_read();
        dispatch(driven, Next::Runtime);
        return None;
    }
    Some((driven, seat))
}

/// Has the runtime drive a session that its thread keeps, if the thread keeps it still.
pub(super) fn take_over_kept(kept: &KeptSession) {
    let keeping = lock(kept).take();
    if let Some(Keeping { driven, seat, open }) = keeping {
        // Handlers that take long have their thread, and do not hold its seat.
        drop(seat);
        drive_stream(driven, open);
    }
}

/// Drives a session on the runtime. One that a thread `gave_back` gets none again before more has come.
pub(crate) async fn run(mut driven: Driven, gave_back: bool) {
    let next = runtime::drive(&mut driven, gave_back).await;
    dispatch(driven, next);
}
