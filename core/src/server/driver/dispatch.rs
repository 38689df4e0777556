//! The dispatcher: it resets what a driver leaves behind, and starts what drives the session next.

use std::sync::Arc;

use super::dismissal::dismiss;
use super::driven::{Driven, Next};
use super::{batch, runtime, subscription, thread};

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
            Box::new(move || {
                let mut driven = driven;
                let next = thread::drive(&mut driven);
                dispatch(driven, next);
            }),
        ),
        Next::Batch(seat) => shared.threads.dedicate(
            seat,
            Box::new(move || {
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
        Next::Dismiss(violation) => drop(shared.runtime.spawn(async move { dismiss(&driven, violation).await })),
        Next::End => drop(driven),
        Next::Forked => {}
    }
}

/// Drives a session on the runtime. One that a thread `gave_back` gets none again before more has come.
pub(crate) async fn run(mut driven: Driven, gave_back: bool) {
    let next = runtime::drive(&mut driven, gave_back).await;
    dispatch(driven, next);
}
