//! The look after threads at batches: where one is stuck in a handler, the runtime takes its session over.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::dispatch::dispatch;
use super::driven::{BatchThread, Drivers, Next};
use crate::trace::{Who, tell};

/// A handler that two looks this far apart both find running is stuck.
const LOOK: Duration = Duration::from_millis(1);
/// How many looks in a row find nobody at work before there are no more.
const LOOKS_AT_NOTHING: u32 = 20;

/// Looks after the threads of a listener's sessions while any is with the handler.
pub(crate) async fn check(drivers: Arc<Drivers>) {
    let shared = &drivers.listener.shared;
    while shared.until_wanted(&shared.stuck_check).await {
        let mut seen: Vec<(BatchThread, u32)> = Vec::new();
        let mut looks_at_nothing = 0;
        let is_any_at_work = || drivers.batches().iter().any(|thread| thread.is_with_the_handler());
        while looks_at_nothing < LOOKS_AT_NOTHING || !shared.stuck_check.stop(is_any_at_work) {
            let threads = drivers.batches();
            let mut found = Vec::with_capacity(threads.len());
            let mut has_moved = threads.len() != seen.len();
            for thread in threads {
                let steps = thread.steps();
                let before = seen.iter().find(|(seen, _)| Arc::ptr_eq(seen, &thread)).map(|(_, steps)| *steps);
                has_moved |= before != Some(steps);
                if steps % 2 == 1 && before == Some(steps) {
                    take_over(&drivers, &thread);
                }
                found.push((thread, steps));
            }
            looks_at_nothing = if has_moved { 0 } else { looks_at_nothing + 1 };
            seen = found;
            sleep(LOOK).await;
        }
    }
}

/// Goes on with a session on the runtime, and with its messages on other threads.
fn take_over(drivers: &Drivers, thread: &BatchThread) {
    if let Some(driven) = thread.take_over(|driven| driven.session.state.to_runtime()) {
        drivers.remove(thread);
        let session = &driven.session;
        tell!(DEBUG, "a handler is slow: the runtime takes its session over", channel: session.shared.channel, peer: Who(&session.peer));
        session.note_slowness();
        dispatch(driven, Next::Runtime);
    }
}
