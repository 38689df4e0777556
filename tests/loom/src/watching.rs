//! A model of `Watch` in core/src/server/driver/batch.rs: whether somebody looks after a thread that goes to the handler.
//!
//! Its atomics are all `SeqCst`, which loom takes for less; so each is a word under a lock here, which is the same.

use loom::sync::{Arc, Mutex};
use loom::thread;

use crate::lock::lock;

#[derive(Default)]
struct Watch {
    count: Mutex<u32>,
    looking: Mutex<bool>,
    /// A permit, as `tokio::sync::Notify` keeps one.
    wanted: Mutex<bool>,
}

impl Watch {
    /// As `Turn::step`, then `Watch::look`.
    fn go_to_handler(&self) {
        *lock(&self.count) += 1;
        let looking = *lock(&self.looking);
        if !looking && !std::mem::replace(&mut *lock(&self.looking), true) {
            *lock(&self.wanted) = true;
        }
    }

    /// As the beginning of the loop of `watch`. Whether it goes to sleep.
    fn stop_looking(&self) -> bool {
        *lock(&self.looking) = false;
        let at_work = *lock(&self.count) % 2 == 1;
        let sleeps = !at_work && !std::mem::take(&mut *lock(&self.wanted));
        if !sleeps {
            *lock(&self.looking) = true;
        }
        sleeps
    }
}

#[test]
fn no_thread_is_with_a_handler_while_the_look_sleeps_unasked() {
    loom::model(|| {
        let watch = Arc::new(Watch { looking: Mutex::new(true), ..Watch::default() });
        let worker = {
            let watch = Arc::clone(&watch);
            thread::spawn(move || watch.go_to_handler())
        };
        let sleeps = watch.stop_looking();
        worker.join().unwrap();
        if sleeps {
            assert!(*lock(&watch.wanted), "stuck, and nobody looks");
        }
    });
}
