//! The look after threads at batches: nobody is with a handler while the look sleeps and was not asked for.

use loom::sync::Arc;
use loom::thread;

use crate::server::driver::handover::Handover;
use crate::server::repeated_check::RepeatedCheck;
use crate::server::session::state::State;

#[test]
fn no_thread_is_with_a_handler_while_the_look_sleeps_unasked() {
    loom::model(|| {
        let shared = Arc::new((Handover::new(), State::default(), RepeatedCheck::default()));
        // Somebody looks, as after an earlier message.
        shared.2.want();
        shared.2.wanted.wait();
        let worker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (handover, state, check) = &*shared;
                state.to_thread();
                handover.begin_batch((), state);
                {
                    let _parked = handover.parked();
                    handover.step();
                }
                check.want();
            })
        };
        let (handover, _, check) = &*shared;
        if check.stop(|| handover.is_with_the_handler()) {
            // Nobody looks: the thread must have called, or is about to. Otherwise this waits for ever.
            check.wanted.wait();
        }
        worker.join().unwrap();
        assert!(handover.is_with_the_handler());
    });
}
