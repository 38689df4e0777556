//! Threads share everything that they can: what ThreadSanitizer looks at (see run.sh). Ends with `N passed, N failed`,
//! which says that calls and answers were right; races are reported by the sanitizer, on standard error.
//!
//! With `--plant` a race is made on purpose, between two threads of a handler that the library runs.

#![expect(clippy::print_stdout, reason = "a program that says what it found")]

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use simple_ipc::{Channel, Client, Message, Mode, Options, Responder, blocking};

const CALLS: usize = 150;

/// A word without a lock, which handlers of two threads write.
struct Unlocked(UnsafeCell<usize>);

// SAFETY: none: this is the race that shows that the check can fail.
unsafe impl Sync for Unlocked {}

static PLANTED: Unlocked = Unlocked(UnsafeCell::new(0));

fn message(of: usize) -> Message {
    // Small ones, and some that fill a buffer.
    Message::bytes(vec![of as u8; if of % 50 == 49 { 200_000 } else { of % 64 }])
}

fn listen(name: &str, mode: Mode, options: &Options, handled: &Arc<AtomicUsize>, plant: bool) -> blocking::Listener {
    let handled = Arc::clone(handled);
    let handler = move |message: &Message, responder: Responder| {
        let nth = handled.fetch_add(1, Ordering::Relaxed);
        if plant {
            // SAFETY: none, see above.
            unsafe { *PLANTED.0.get() += 1 };
        }
        if nth.is_multiple_of(97) {
            // Long enough for the runtime to take the session over, and for others to wait.
            std::thread::sleep(Duration::from_millis(3));
        }
        if nth.is_multiple_of(5) {
            // An answer from a thread that is nobody's.
            let reply = message.clone();
            std::thread::spawn(move || drop(responder.respond(&reply)));
        } else if mode == Mode::Request {
            let _the_caller_may_have_gone = responder.respond(message);
        }
    };
    blocking::Listener::serve(&Channel::uds(name).unwrap(), mode, options, handler).unwrap()
}

/// Threads that do the same, at the same time.
fn together(threads: usize, act: impl Fn(usize) + Send + Sync + 'static) {
    let act = Arc::new(act);
    let started: Vec<JoinHandle<()>> = (0..threads)
        .map(|nth| {
            let act = Arc::clone(&act);
            std::thread::spawn(move || act(nth))
        })
        .collect();
    for thread in started {
        thread.join().unwrap();
    }
}

fn one_shot_posts(options: &Options) {
    let handled = Arc::default();
    let listener = listen("posts", Mode::Request, options, &handled, false);
    let (name, options) = (listener.channel().clone(), options.clone());
    together(4, move |_| {
        for nth in 0..CALLS {
            assert_eq!(blocking::post_request(&name, &message(nth), &options).unwrap(), message(nth));
        }
    });
    assert_eq!(handled.load(Ordering::Relaxed), 4 * CALLS);
    listener.close().unwrap();
}

fn a_kept_client(options: &Options) {
    let handled = Arc::default();
    let listener = listen("kept", Mode::Request, options, &handled, false);
    let client = Arc::new(blocking::Client::connect(listener.channel(), options).unwrap());
    together(4, move |_| {
        for nth in 0..CALLS {
            assert_eq!(client.request_message(&message(nth), None).unwrap(), message(nth));
        }
    });
    listener.close().unwrap();
}

fn broadcasts(options: &Options) {
    let handled = Arc::default();
    let listener = listen("casts", Mode::Broadcast, options, &handled, false);
    let client = Arc::new(blocking::Client::connect(listener.channel(), options).unwrap());
    together(3, move |_| {
        for nth in 0..CALLS {
            client.broadcast_message(&message(nth)).unwrap();
        }
        client.flush().unwrap();
    });
    listener.close().unwrap();
    assert_eq!(handled.load(Ordering::Relaxed), 3 * CALLS);
}

/// Calls of many tasks on one session, some of them cancelled, beside a listener with few threads and little room.
fn a_shared_session(options: &Options) {
    let handled = Arc::default();
    let few = options.clone().threads(3).max_session_in_flight(8).max_in_flight(12);
    let listener = listen("shared", Mode::Request, &few, &handled, false);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
    let (name, options) = (listener.channel().clone(), options.clone());
    runtime.block_on(async move {
        let client = Arc::new(Client::connect(&name, &options).await.unwrap());
        let tasks: Vec<_> = (0..12)
            .map(|task| {
                let client = Arc::clone(&client);
                tokio::spawn(async move {
                    for nth in 0..CALLS / 2 {
                        let sent = message(nth);
                        let call = client.request_message(&sent, None);
                        if task == 0 {
                            let _cancelled_or_not = tokio::time::timeout(Duration::from_micros(200), call).await;
                        } else {
                            assert_eq!(call.await.unwrap(), sent);
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    drop(runtime);
    listener.close().unwrap();
}

fn an_end_in_the_middle(options: &Options) {
    for _ in 0..5 {
        let handled = Arc::default();
        let listener = listen("ending", Mode::Request, options, &handled, false);
        let (name, options) = (listener.channel().clone(), options.clone());
        let callers = std::thread::spawn(move || {
            together(3, move |_| {
                for nth in 0..CALLS {
                    if blocking::post_request(&name, &message(nth), &options).is_err() {
                        return;
                    }
                }
            });
        });
        let began = Instant::now();
        while handled.load(Ordering::Relaxed) < 50 && began.elapsed() < Duration::from_secs(60) {
            std::thread::yield_now();
        }
        assert!(handled.load(Ordering::Relaxed) >= 50, "the callers have come to nothing in a minute");
        listener.close().unwrap();
        callers.join().unwrap();
    }
}

fn planted(options: &Options) {
    let handled = Arc::default();
    let listener = listen("planted", Mode::Request, options, &handled, true);
    let (name, options) = (listener.channel().clone(), options.clone());
    together(4, move |_| {
        let client = blocking::Client::connect(&name, &options).unwrap();
        for nth in 0..CALLS {
            client.request_message(&message(nth), None).unwrap();
        }
    });
    listener.close().unwrap();
}

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::new().directory(directory.path());
    if std::env::args().any(|argument| argument == "--plant") {
        return planted(&options);
    }
    type Act = fn(&Options);
    let all: [(&str, Act); 5] = [
        ("one-shot posts of many threads", one_shot_posts),
        ("a client that threads share", a_kept_client),
        ("broadcasts of threads that share a client", broadcasts),
        ("a session that tasks share", a_shared_session),
        ("a listener that closes in the middle", an_end_in_the_middle),
    ];
    let mut failed = 0;
    for (title, act) in all {
        let right = std::thread::spawn({
            let options = options.clone();
            move || act(&options)
        })
        .join()
        .is_ok();
        println!("{} - {title}", if right { "ok" } else { "not ok" });
        failed += usize::from(!right);
    }
    println!("{} calls and answers right, {failed} wrong", all.len() - failed);
    std::process::exit(i32::from(failed > 0));
}
