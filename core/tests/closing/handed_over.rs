//! What clients notice of a listener that closes, and of the next one.

use super::*;

#[test]
fn no_answer_is_lost_to_a_close() {
    let scratch = Scratch::new();
    let options = scratch.options().grace(LONG_GRACE);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for channel in both_channels() {
        for _ in 0..40 {
            let handled = Arc::new(Mutex::new(0u64));
            let handler = {
                let handled = Arc::clone(&handled);
                move |_: &Message, responder: simple_ipc::Responder| {
                    *handled.lock().unwrap() += 1;
                    responder.respond(&Message::null()).unwrap();
                }
            };
            let listener = blocking::Listener::serve(&channel, Mode::Request, &options, handler).unwrap();
            let channel = listener.channel().clone();
            let answered = Arc::new(Mutex::new(0u64));
            let (started, start) = channel_of_units();
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    let (answered, channel, started) = (Arc::clone(&answered), &channel, started.clone());
                    let options = &options;
                    scope.spawn(move || {
                        loop {
                            match blocking::post_request(channel, &Message::null(), options) {
                                Ok(_) => *answered.lock().unwrap() += 1,
                                Err(error) => return assert_orderly(channel, &error),
                            }
                            let _ = started.send(());
                        }
                    });
                }
                let task = runtime.spawn({
                    let (channel, options, answered) = (channel.clone(), options.clone(), Arc::clone(&answered));
                    async move {
                        loop {
                            match simple_ipc::post_request(&channel, &Message::null(), &options).await {
                                Ok(_) => *answered.lock().unwrap() += 1,
                                Err(error) => return assert_orderly(&channel, &error),
                            }
                        }
                    }
                });
                start.recv().unwrap();
                listener.close().unwrap();
                drop(start);
                runtime.block_on(task).unwrap();
            });
            assert_eq!(*answered.lock().unwrap(), *handled.lock().unwrap());
        }
    }
}

/// A message that a closing listener did not take was certainly not handled. Only on a port, which can
/// still be connected to for a moment when the lock is gone already, it is spoken to as a listener of
/// the Deno original, where nobody can be certain.
fn assert_orderly(channel: &Channel, error: &simple_ipc::Error) {
    assert!(!error.may_have_been_handled() || channel.port().is_some(), "{}: {error}", error.kind());
    assert!(
        matches!(
            error.kind(),
            ErrorKind::NotListening | ErrorKind::Closing | ErrorKind::ConnectionLost | ErrorKind::NoReply
        ),
        "{error}"
    );
}

#[test]
fn the_next_message_just_works_when_a_listener_was_replaced() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for channel in both_channels() {
        let mut listener = doubler(&channel, &options);
        let channel = listener.channel().clone();
        let client = blocking::Client::connect(&channel, &options).unwrap();
        let async_client = runtime.block_on(simple_ipc::Client::connect(&channel, &options)).unwrap();
        for round in 0..20u64 {
            let message = Message::json(&round).unwrap();
            let expected = (round * 2).to_string();
            assert_eq!(client.request::<u64>(round).unwrap(), round * 2);
            assert_eq!(runtime.block_on(async_client.request::<u64>(round)).unwrap(), round * 2);
            assert_eq!(blocking::post_request(&channel, &message, &options).unwrap().data(), expected.as_bytes());
            let posted = runtime.block_on(simple_ipc::post_request(&channel, &message, &options));
            assert_eq!(posted.unwrap().data(), expected.as_bytes());
            listener.close().unwrap();
            listener = doubler(&channel, &options);
        }
    }
}

#[test]
fn a_broadcast_client_whose_messages_were_flushed_does_not_notice_a_replaced_listener() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for channel in both_channels() {
        let start =
            |channel: &Channel| blocking::Listener::serve(channel, Mode::Broadcast, &options, |_, _| ()).unwrap();
        let mut listener = start(&channel);
        let channel = listener.channel().clone();
        let client = blocking::Client::connect(&channel, &options).unwrap();
        let async_client = runtime.block_on(simple_ipc::Client::connect(&channel, &options)).unwrap();
        for round in 0..20 {
            client.broadcast(round).unwrap();
            client.flush().unwrap();
            runtime.block_on(async {
                async_client.broadcast(round).await.unwrap();
                async_client.flush().await.unwrap();
                simple_ipc::post_broadcast(&channel, &Message::null(), &options).await.unwrap();
            });
            blocking::post_broadcast(&channel, &Message::null(), &options).unwrap();
            assert_eq!(listener.counters().messages, 4);
            listener.close().unwrap();
            listener = start(&channel);
        }
    }
}

#[test]
fn a_post_may_come_before_its_listener_if_it_waits() {
    let scratch = Scratch::new();
    let options = scratch.options().wait(LONG_GRACE);
    let name = Channel::uds("late").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let early = std::thread::spawn({
        let (name, options) = (name.clone(), options.clone());
        move || blocking::post_request(&name, &Message::json(&1).unwrap(), &options).unwrap()
    });
    let kept = std::thread::spawn({
        let (name, options) = (name.clone(), options.clone());
        move || blocking::Client::connect(&name, &options).unwrap().request::<u64>(3).unwrap()
    });
    let task = runtime.spawn({
        let (name, options) = (name.clone(), options.clone());
        async move { simple_ipc::post_request(&name, &Message::json(&2).unwrap(), &options).await.unwrap() }
    });
    let kept_task = std::thread::spawn({
        let (name, options, runtime) = (name.clone(), options.clone(), runtime.handle().clone());
        move || {
            runtime.block_on(async {
                let client = simple_ipc::Client::connect(&name, &options).await.unwrap();
                client.request::<u64>(4).await.unwrap()
            })
        }
    });
    let _listener = doubler(&name, &options);
    assert_eq!(early.join().unwrap().data(), b"2");
    assert_eq!(kept.join().unwrap(), 6);
    assert_eq!(runtime.block_on(task).unwrap().data(), b"4");
    assert_eq!(kept_task.join().unwrap(), 8);
}

#[test]
fn waiting_for_a_listener_ends() {
    let scratch = Scratch::new();
    let options = scratch.options().wait(Duration::from_millis(60));
    let began = Instant::now();
    let error = blocking::post_uds_request_with::<()>("never", (), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotListening);
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[test]
fn a_message_for_the_next_listener_is_not_refused_by_the_one_that_closes() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("turns").unwrap();
    let answer = |message: &Message, responder: simple_ipc::Responder| {
        responder.respond(message).unwrap();
    };
    for _ in 0..100 {
        let listener = blocking::Listener::serve(&name, Mode::Request, &options, answer).unwrap();
        blocking::post_request(&name, &Message::null(), &options).unwrap();
        drop(listener);
        let listener = blocking::Listener::serve(&name, Mode::Broadcast, &options, |_, _| ()).unwrap();
        blocking::post_broadcast(&name, &Message::null(), &options).unwrap();
        drop(listener);
    }
}
