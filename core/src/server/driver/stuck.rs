//! The look after threads at batches, and at streams: where one is stuck in a handler, the runtime takes its session over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::dispatch::{dispatch, serve_group, take_over_kept};
use super::driven::{BatchThread, Drivers, Group, KeptSession, Next};
use super::group_members::Look;
use crate::trace::{Who, tell};

/// A handler that two looks this far apart both find running is stuck.
const LOOK: Duration = Duration::from_millis(1);
/// How many looks in a row find nobody at work before there are no more: where there are batches, and where there were streams
/// alone.
const LOOKS_AT_NOTHING: u32 = 20;
const LOOKS_AT_NO_STREAM: u32 = 2;
/// A look that comes this late says nothing of a thread that serves many sessions: nobody got a processor.
const LATE: Duration = Duration::from_millis(4);
/// For each so many sessions on which something has come at once, one more look in a row has to find the thread with the same one: with
/// so many clients at work the system may well keep a thread waiting that is not stuck.
const READY_A_LOOK: usize = 16;
/// Where a thread that serves many sessions gets stuck, and had taken so few of them to the handler since one did last,
const FEW: u64 = 256;
/// so many times in a row, handlers are slow: sessions are not served together for a while.
const STRIKES: u32 = 4;

/// Looks after the threads of a listener's sessions while any is with the handler.
pub(crate) async fn check(drivers: Arc<Drivers>) {
    let shared = &drivers.listener.shared;
    while shared.until_wanted(&shared.stuck_check).await {
        let mut seen: Vec<(BatchThread, u32)> = Vec::new();
        let mut seen_kept: Vec<KeptSession> = Vec::new();
        let (mut looks_at_nothing, mut enough) = (0, LOOKS_AT_NO_STREAM);
        // What the last look has found, and how many in a row.
        let mut seen_groups: Vec<(Option<Look>, usize)> = Vec::new();
        let (mut strikes, mut is_late) = (0, false);
        let is_any_at_work = || {
            !drivers.kept().is_empty()
                || drivers.batches().iter().any(|thread| thread.is_with_the_handler())
                || drivers.groups.all().iter().any(|group| group.look().is_some_and(Look::finds_one_in_hand))
        };
        while looks_at_nothing < enough || !shared.stuck_check.stop(is_any_at_work) {
            let threads = drivers.batches();
            if !threads.is_empty() {
                enough = LOOKS_AT_NOTHING;
            }
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
            // What a look has found, and the next finds again, is taken over, and no more the check's concern.
            let mut kept = drivers.kept();
            kept.retain(|kept| {
                let was_seen = seen_kept.iter().any(|seen| Arc::ptr_eq(seen, kept));
                if was_seen {
                    drivers.release(kept);
                    take_over_kept(kept);
                }
                !was_seen
            });
            has_moved |= !kept.is_empty();
            seen_kept = kept;
            let groups = drivers.groups.all();
            seen_groups.resize(groups.len(), (None, 0));
            for (group, (seen, times)) in groups.iter().zip(&mut seen_groups) {
                let look = group.look();
                if look.is_some() {
                    enough = LOOKS_AT_NOTHING;
                }
                has_moved |= look != *seen;
                *times = if look != *seen {
                    0
                } else if is_late {
                    *times
                } else {
                    *times + 1
                };
                if *times > group.last_ready() / READY_A_LOOK
                    && let Some(look) = look
                {
                    take_over_group(&drivers, group, look, &mut strikes);
                }
                *seen = look;
            }
            looks_at_nothing = if has_moved { 0 } else { looks_at_nothing + 1 };
            seen = found;
            let slept = Instant::now();
            sleep(LOOK).await;
            is_late = slept.elapsed() > LATE;
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

/// Has another thread go on with the sessions of one that is stuck with one of them.
fn take_over_group(drivers: &Arc<Drivers>, group: &Arc<Group>, look: Look, strikes: &mut u32) {
    let Some((next, taken)) = group.take_over(look) else { return };
    let shared = &drivers.listener.shared;
    tell!(DEBUG, "a handler is slow: another thread takes over the sessions that share its thread", channel: shared.channel);
    *strikes = if taken < FEW { *strikes + 1 } else { 0 };
    if *strikes >= STRIKES {
        *strikes = 0;
        shared.threads.note_slowness();
    }
    if let Some(turn) = next {
        serve_group(drivers, group, turn);
    }
}
