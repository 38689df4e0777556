//! The dispatcher: it resets what a driver leaves behind, and starts what drives the session next.

use std::sync::Arc;

use super::dismissal::dismiss;
use super::driven::{Driven, Next};
use super::{batch, runtime, stream, subscription, thread};
use crate::server::session::Session;
use crate::server::session::delivery::{Opening, hand_over_stream, run_stream};

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
                let mut driven = driven;
                match thread::drive(&mut driven) {
                    Next::Stream(opening) => {
                        // Handlers of streams take long: others may have the seat.
                        drop(seat);
                        drive_stream(driven, *opening, run_stream);
                    }
                    next => dispatch(driven, next),
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
        Next::Stream(opening) => drive_stream(driven, *opening, hand_over_stream),
        Next::Dismiss(violation) => drop(shared.runtime.spawn(async move { dismiss(&driven, violation).await })),
        Next::End => drop(driven),
        Next::Forked => {}
    }
}

/// Has the runtime drive a session on which a stream has been opened, and the stream go to its handler.
fn drive_stream(mut driven: Driven, opening: Opening, hand_over: impl FnOnce(Arc<Session>, Opening)) {
    driven.session.state.to_runtime();
    let (session, open) = (Arc::clone(&driven.session), opening.open());
    session.shared.runtime.clone().spawn(async move {
        let next = stream::drive(&mut driven, open).await;
        dispatch(driven, next);
    });
    hand_over(session, opening);
}

/// Drives a session on the runtime. One that a thread `gave_back` gets none again before more has come.
pub(crate) async fn run(mut driven: Driven, gave_back: bool) {
    let next = runtime::drive(&mut driven, gave_back).await;
    dispatch(driven, next);
}
