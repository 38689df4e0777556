//! What a listener that has closed leaves behind, and what its handlers hear of it.

use super::*;

/// Says when it is dropped.
struct Dropped(Sender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _the_test_is_over = self.0.send(());
    }
}

#[test]
fn the_handler_and_what_it_captured_are_gone_when_close_returns() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(LONG_GRACE);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for round in 0..50 {
        for channel in both_channels() {
            let (drops, dropped) = channel_of_units();
            let (handler, report) = (Dropped(drops.clone()), Dropped(drops));
            let reporting = options.clone().on_handler_failure(move |_| {
                let _captured = &report;
            });
            let handler = move |message: &Message, responder: simple_ipc::Responder| {
                let _captured = &handler;
                responder.respond(message).unwrap();
            };
            let listener = blocking::Listener::serve(&channel, Mode::Request, &reporting, handler).unwrap();
            drop(reporting);
            let channel = listener.channel().clone();
            let client = blocking::Client::connect(&channel, &options).unwrap();
            for wire in [Wire::Native, Wire::Deno] {
                blocking::post_request(&channel, &Message::null(), &options.clone().wire(wire)).unwrap();
            }
            client.request::<()>(()).unwrap();
            let shared = runtime.block_on(simple_ipc::Client::connect(&channel, &options)).unwrap();
            runtime.block_on(shared.request::<()>(())).unwrap();
            listener.close().unwrap();
            assert_eq!(dropped.try_iter().count(), 2, "round {round}");
        }
    }
}

#[tokio::test]
async fn an_asynchronous_handler_and_what_it_captured_are_gone_when_close_returns() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(LONG_GRACE);
    let (drops, dropped) = channel_of_units();
    let captured = Arc::new(Dropped(drops));
    let handler = move |data: u64| {
        let captured = Arc::clone(&captured);
        async move {
            tokio::task::yield_now().await;
            drop(captured);
            Ok(data)
        }
    };
    let listener = simple_ipc::listen_uds_request_with("gone", &options, handler).await.unwrap();
    let client = simple_ipc::Client::connect(listener.channel(), &options).await.unwrap();
    assert_eq!(client.request::<u64>(5).await.unwrap(), 5);
    listener.close().await.unwrap();
    assert_eq!(dropped.try_iter().count(), 1);
}

#[test]
fn close_says_that_a_handler_still_runs_and_later_that_it_does_not() {
    let scratch = Scratch::new();
    for mode in [Mode::Request, Mode::Broadcast] {
        let (began, begun) = channel_of_units();
        let (go, may_go) = channel_of_units();
        let (drops, dropped) = channel_of_units();
        let captured = (Dropped(drops), Mutex::new(may_go));
        let handler = move |_: &Message, _responder: simple_ipc::Responder| {
            began.send(()).unwrap();
            let (_dropped, may_go) = &captured;
            may_go.lock().unwrap().recv().unwrap();
        };
        let channel = Channel::uds("stuck").unwrap();
        let options = scratch.options().grace(Duration::from_millis(20));
        let listener = blocking::Listener::serve(&channel, mode, &options, handler).unwrap();
        std::thread::scope(|scope| {
            let options = scratch.options();
            scope.spawn(move || match mode {
                Mode::Request => drop(blocking::post_request(&channel, &Message::null(), &options)),
                _ => drop(blocking::post_broadcast(&channel, &Message::null(), &options)),
            });
            begun.recv().unwrap();
            for _ in 0..2 {
                assert_eq!(listener.close().unwrap_err().kind(), ErrorKind::TimedOut);
            }
            assert!(dropped.try_recv().is_err());
            go.send(()).unwrap();
            while listener.close().is_err() {}
            assert!(dropped.try_recv().is_ok());
        });
    }
}

#[test]
fn a_handler_that_a_closing_listener_cuts_off_hears_that_nobody_waits() {
    let scratch = Scratch::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let combined = [Mode::Request, Mode::Broadcast].map(|mode| [(mode, Wire::Native), (mode, Wire::Deno)]);
    for (mode, wire) in combined.into_iter().flatten() {
        for asks in [false, true] {
            let (began, begun) = channel_of_units();
            let (hears, heard) = channel_of_units();
            let waits = runtime.handle().clone();
            let handler = move |_: &Message, responder: simple_ipc::Responder| {
                began.send(()).unwrap();
                if asks {
                    while !responder.is_cancelled() {
                        std::thread::yield_now();
                    }
                } else {
                    waits.block_on(responder.cancelled());
                }
                hears.send(()).unwrap();
            };
            let channel = Channel::uds("cut").unwrap();
            let options = scratch.options().grace(Duration::from_millis(20));
            let listener = blocking::Listener::serve(&channel, mode, &options, handler).unwrap();
            std::thread::scope(|scope| {
                let options = scratch.options().wire(wire);
                let caller = scope.spawn(move || match mode {
                    Mode::Request => blocking::post_request(&channel, &Message::null(), &options).map(drop),
                    _ => blocking::post_broadcast(&channel, &Message::null(), &options),
                });
                begun.recv().unwrap();
                let _the_handler_may_still_be_leaving = listener.close();
                heard.recv().unwrap();
                let told = caller.join().unwrap();
                assert!(mode == Mode::Broadcast || told.is_err());
            });
        }
    }
}

/// Whoever is told that nobody waits must not be able to answer: the caller hears that the listener has gone, not what
/// the handler made of the news.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_hears_of_the_cut_off_no_longer_answers() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(Duration::from_millis(1));
    for channel in both_channels() {
        for _ in 0..20 {
            let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
            let handler = move |_: &Message, responder: simple_ipc::Responder| {
                began.send(()).unwrap();
                while !responder.is_cancelled() {
                    std::thread::yield_now();
                }
                let _nobody_hears_it = responder.fail("it was given up");
            };
            let listener = blocking::Listener::serve(&channel, Mode::Request, &options, handler).unwrap();
            let (posted_to, with) = (listener.channel().clone(), options.clone());
            let call = tokio::spawn(async move { simple_ipc::post_request(&posted_to, &Message::null(), &with).await });
            begun.recv().await.unwrap();
            let _the_handler_may_still_be_leaving =
                tokio::task::spawn_blocking(move || listener.close()).await.unwrap();
            assert_eq!(call.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionLost);
        }
    }
}

/// How many threads for handlers this process has.
fn worker_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "simple-ipc-work").count()
}

#[test]
fn listeners_that_have_closed_leave_no_threads() {
    const CYCLES: usize = 300;
    let scratch = Scratch::new();
    let options = scratch.options();
    for cycle in 0..CYCLES {
        let listener = doubler(&Channel::uds("threads").unwrap(), &options);
        let reply: u64 = blocking::post_uds_request_with("threads", cycle, &options).unwrap();
        assert_eq!(reply, 2 * cycle as u64);
        listener.close().unwrap();
    }
    // The last ones may still be ending.
    let left = worker_threads();
    assert!(left < CYCLES / 10, "{left} threads after {CYCLES} listeners");
}
#[test]
fn a_request_that_comes_too_late_on_a_busy_session_is_certainly_not_handled_and_hears_so_at_once() {
    let scratch = Scratch::new();
    for channel in both_channels() {
        let options = scratch.options().no_timeout().grace(LONG_GRACE);
        let (began, begun) = channel_of_units();
        let (go, may_go) = channel_of_units();
        let may_go = Mutex::new(may_go);
        let handler = move |message: &Message, responder: simple_ipc::Responder| {
            if message.as_text().as_deref() != Some("late") {
                began.send(()).unwrap();
                may_go.lock().unwrap().recv().unwrap();
            }
            responder.respond(&Message::text("done")).unwrap();
        };
        let listener = blocking::Listener::serve(&channel, Mode::Request, &options, handler).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let message = Message::null();
        let mut queue = simple_ipc::event_loop::Queue::new().unwrap();
        std::thread::scope(|scope| {
            runtime.block_on(async {
                let client = simple_ipc::Client::connect(listener.channel(), &options).await.unwrap();
                let (poller, _) = queue.connect(listener.channel(), &options).unwrap();
                let early = queue.request(poller, message.clone(), None).unwrap();
                queue.submit();
                let mut closing = None;
                let first = client.request_message(&message, None);
                let second = async {
                    // Both sessions have a request with the handler.
                    for _ in 0..2 {
                        while begun.try_recv().is_err() {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    }
                    closing = Some(scope.spawn(|| listener.close().unwrap()));
                    until_nobody_listens(&listener);
                    // What comes before the listener has come round to its sessions is still taken.
                    let text = Message::text("late");
                    let late = loop {
                        if let Err(error) = client.request_message(&text, None).await {
                            break error;
                        }
                    };
                    let mut done = Vec::new();
                    let late_too = loop {
                        let ticket = match queue.request(poller, text.clone(), None) {
                            Err(error) => break error,
                            Ok(ticket) => ticket,
                        };
                        while !done.iter().any(|done: &simple_ipc::event_loop::Completion| done.ticket == ticket) {
                            queue.wait(None).unwrap();
                            queue.process(&mut done).unwrap();
                        }
                        let at = done.iter().position(|done| done.ticket == ticket).unwrap();
                        if let Err(error) = done.swap_remove(at).result {
                            break error;
                        }
                    };
                    for error in [late, late_too] {
                        assert!(!error.may_have_been_handled(), "{channel}: {error}");
                        let kinds = [ErrorKind::Closing, ErrorKind::NotListening];
                        assert!(kinds.contains(&error.kind()), "{channel}: {error}");
                    }
                    go.send(()).unwrap();
                    go.send(()).unwrap();
                    while !done.iter().any(|done| done.ticket == early) {
                        queue.wait(None).unwrap();
                        queue.process(&mut done).unwrap();
                    }
                    assert!(done.iter().all(|done| done.result.is_ok()), "{done:?}");
                };
                let (first, ()) = tokio::join!(first, second);
                assert_eq!(first.unwrap(), Message::text("done"), "{channel}");
                closing.unwrap().join().unwrap();
            });
        });
    }
}
