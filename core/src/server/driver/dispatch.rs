//! The dispatcher: it resets what a driver leaves behind, and starts what drives the session next.

use std::sync::{Arc, Mutex};

use super::dismissal::dismiss;
use super::driven::{Driven, Drivers, Group, Keeping, KeptSession, Next, Served};
use super::group_members::{Joined, Turn};
use super::unbegun::Unbegun;
use super::{batch, group_thread, own_loop, runtime, stream, subscription, thread};
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
        Next::Group => shared.threads.submit(Box::new(move || {
            let mut driven = driven;
            match group_thread::begin(&mut driven) {
                Some(next) => dispatch(driven, next),
                None => join(driven),
            }
        })),
        Next::Own => own_loop::adopt(driven, dispatch),
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

/// Has a session share a thread with others.
fn join(driven: Driven) {
    let (drivers, session) = (Arc::clone(&driven.drivers), Arc::clone(&driven.session));
    if !session.socket.falls_asleep() {
        // More has come by memory, of which the group's poller would not tell.
        return dispatch(driven, Next::Runtime);
    }
    let threads = &session.shared.threads;
    let Some(group) = drivers.groups.next(threads.groups()) else {
        threads.note_slowness();
        return dispatch(driven, Next::Runtime);
    };
    match group.join(&session.socket, Served::Session(Box::new(driven)), || threads.seat_of_a_group()) {
        Ok(Joined::Served) => {}
        Ok(Joined::Alone(turn)) => serve_group(&drivers, group, turn),
        Err(served) => leave(served, Next::Runtime),
    }
}

/// Has a thread that serves many sessions watch a connection.
pub(crate) fn watch(unbegun: Unbegun) {
    let (drivers, socket) = (Arc::clone(unbegun.drivers()), Arc::clone(unbegun.socket()));
    let threads = &drivers.listener.shared.threads;
    let unbegun = Box::new(unbegun);
    let Some(group) = drivers.groups.next(threads.groups()) else { return unbegun.leave() };
    match group.join(&socket, Served::Unbegun(unbegun), || threads.seat_of_a_group()) {
        Ok(Joined::Served) => {}
        Ok(Joined::Alone(turn)) => serve_group(&drivers, group, turn),
        Err(served) => leave(served, Next::Runtime),
    }
}

/// What happens next with one that is not served together with others any more.
fn leave(served: Served, next: Next) {
    match served {
        Served::Session(driven) => dispatch(*driven, next),
        Served::Unbegun(unbegun) => unbegun.leave(),
    }
}

/// Has a thread serve a group.
pub(super) fn serve_group(drivers: &Arc<Drivers>, group: &Arc<Group>, turn: Turn) {
    let (drivers, group) = (Arc::clone(drivers), Arc::clone(group));
    let shared = Arc::clone(&drivers.listener.shared);
    let threads = Arc::clone(&shared.threads);
    threads.call_now(Box::new(move || {
        let end = group_thread::serve(&group, turn, &shared, || drivers.groups.active(), leave);
        if let group_thread::End::Forked = end {
            std::mem::forget((drivers, group, shared));
        }
    }));
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

/// Drives a session whose client has been greeted.
pub(crate) async fn begin(driven: Driven) {
    let shared = &driven.session.shared;
    let shares = shared.blocking && driven.session.exclusive && shared.threads.is_shared_by_all(shared.open());
    if shares && driven.reader.is_empty() && driven.session.send_queue.waiting() == 0 {
        driven.session.state.to_thread();
        return join(driven);
    }
    run(driven, false).await;
}

/// Drives a session on the runtime. One that a thread `gave_back` gets none again before more has come.
async fn run(mut driven: Driven, gave_back: bool) {
    let next = runtime::drive(&mut driven, gave_back).await;
    dispatch(driven, next);
}
