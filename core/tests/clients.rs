//! Clients that stay: used by many at once, after their end, and what they leave behind.

mod support;

use simple_ipc::{Channel, ErrorKind, Message, Mode, blocking};
use support::Scratch;

fn echo(message: &Message, responder: simple_ipc::Responder) {
    responder.respond(message).unwrap();
}

#[test]
fn sixteen_threads_get_each_its_own_answers_from_one_client() {
    let scratch = Scratch::new();
    let options = scratch.options();
    for channel in [Channel::uds("echo").unwrap(), Channel::ip(0).unwrap()] {
        let listener = blocking::Listener::serve(&channel, Mode::Request, &options, echo).unwrap();
        let client = blocking::Client::connect(listener.channel(), &options).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..16u64 {
                let client = &client;
                scope.spawn(move || {
                    for number in 0..200 {
                        assert_eq!(client.request::<(u64, u64)>((thread, number)).unwrap(), (thread, number));
                    }
                });
            }
        });
        assert_eq!(listener.counters().messages, 16 * 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_get_each_its_own_answers_whatever_their_size() {
    let scratch = Scratch::new();
    let options = scratch.options();
    for channel in [Channel::uds("echo").unwrap(), Channel::ip(0).unwrap()] {
        let listener = blocking::Listener::serve(&channel, Mode::Request, &options, echo).unwrap();
        let channel = listener.channel().clone();
        // Large answers of several threads at once fill the session's way back; it must go on after that.
        for round in 0..6 {
            let tasks: Vec<_> = (0..12u8)
                .map(|task| {
                    let (channel, options) = (channel.clone(), options.clone());
                    let size = if round % 2 == 0 { 3 << 20 } else { 100 };
                    tokio::spawn(async move {
                        let body = Message::bytes(vec![task; size]);
                        assert!(simple_ipc::post_request(&channel, &body, &options).await.unwrap() == body);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
        tokio::task::block_in_place(|| listener.close()).unwrap();
    }
}

#[tokio::test]
async fn a_closed_client_says_so_and_closing_it_again_is_silent() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let listener = blocking::listen_uds_request_with("numbers", &options, |number: u8| Ok(number)).unwrap();
    let one = blocking::Client::connect(listener.channel(), &options).unwrap();
    assert_eq!(one.request::<u8>(1).unwrap(), 1);
    one.close().unwrap();
    one.close().unwrap();
    let errors = [
        one.request::<u8>(1).unwrap_err(),
        one.request_message(&Message::null(), None).unwrap_err(),
        one.broadcast(1).unwrap_err(),
        one.broadcast_message(&Message::null()).unwrap_err(),
        one.flush().unwrap_err(),
        one.ping().unwrap_err(),
    ];
    let other = simple_ipc::Client::connect(listener.channel(), &options).await.unwrap();
    assert_eq!(other.request::<u8>(1).await.unwrap(), 1);
    other.close().await.unwrap();
    other.close().await.unwrap();
    let more = [
        other.request::<u8>(1).await.unwrap_err(),
        other.request_message(&Message::null(), None).await.unwrap_err(),
        other.broadcast(1).await.unwrap_err(),
        other.broadcast_message(&Message::null()).await.unwrap_err(),
        other.flush().await.unwrap_err(),
        other.ping().await.unwrap_err(),
    ];
    for error in errors.into_iter().chain(more) {
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::Closed, false), "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn posting_to_many_short_lived_channels_keeps_no_descriptors() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let round = |number: u32| {
        let name = Channel::uds(&format!("short_{number}")).unwrap();
        let listener = blocking::Listener::serve(&name, Mode::Request, &options, echo).unwrap();
        blocking::post_request(&name, &Message::null(), &options).unwrap();
        runtime.block_on(simple_ipc::post_request(&name, &Message::null(), &options)).unwrap();
        listener.close().unwrap();
    };
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    (0..20).for_each(round);
    let before = descriptors();
    (20..220).for_each(round);
    let after = descriptors();
    assert!(after <= before + 20, "{before} descriptors were open, now {after}");
}
