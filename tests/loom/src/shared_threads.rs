//! A thread that serves many sessions, and one that takes over from it: every session has one driver, whoever comes first.

use loom::sync::Arc;
use loom::thread;

use crate::server::driver::group_members::{Joined, Leaves, Members, Taken, Turn};

type Sessions = Members<&'static str, &'static str, ()>;

fn join(sessions: &Sessions, name: &'static str) -> Option<Turn> {
    match sessions.join(name, name, || (), |_| Ok::<(), ()>(())) {
        Ok(Joined::Alone(turn)) => Some(turn),
        Ok(Joined::Served) => None,
        Err(_) => unreachable!("it is watched"),
    }
}

/// What a thread with the turn can take.
fn take_all(sessions: &Sessions, turn: Turn) -> Vec<&'static str> {
    sessions.sweep(turn, Leaves::All, |_, _| false).into_iter().map(|(_, name)| name).collect()
}

#[test]
fn a_session_in_hand_is_its_threads_and_the_others_are_the_next_ones() {
    loom::model(|| {
        let sessions = Arc::new(Sessions::new());
        let turn = join(&sessions, "slow").unwrap();
        assert!(join(&sessions, "other").is_none());
        let Taken::Session(slow) = sessions.take(turn, 0) else { unreachable!("it is there") };
        let worker = {
            let sessions = Arc::clone(&sessions);
            thread::spawn(move || match sessions.put_back(turn, 0, slow) {
                // Nobody has taken over meanwhile, and nobody can now.
                Ok(()) => take_all(&sessions, turn),
                Err(mine) => vec![mine],
            })
        };
        let look = sessions.look().unwrap();
        let mut taken = Vec::new();
        if let Some(over) = sessions.take_over(look) {
            assert_eq!(over.kept, "slow");
            taken = take_all(&sessions, over.next.unwrap());
            assert_eq!(taken, ["other"]);
        }
        taken.extend(worker.join().unwrap());
        taken.sort_unstable();
        assert_eq!(taken, ["other", "slow"]);
    });
}

#[test]
fn a_session_that_joins_while_the_last_one_leaves_has_a_thread() {
    loom::model(|| {
        let sessions = Arc::new(Sessions::new());
        let turn = join(&sessions, "first").unwrap();
        let worker = {
            let sessions = Arc::clone(&sessions);
            thread::spawn(move || {
                assert!(matches!(sessions.take(turn, 0), Taken::Session("first")));
                assert!(sessions.leave(turn, 0).is_some());
                // It serves on where somebody has joined.
                !sessions.end_turn(turn)
            })
        };
        let next = join(&sessions, "second");
        let goes_on = worker.join().unwrap();
        assert_ne!(next.is_some(), goes_on, "two threads serve it, or none does");
        assert_eq!(take_all(&sessions, next.unwrap_or(turn)), ["second"]);
    });
}
