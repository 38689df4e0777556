//! Many busy clients of one listener, which share threads as long as handlers are quick.

#[path = "support/gate.rs"]
mod gate;
mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use gate::Gate;
use simple_ipc::blocking::{Client, Listener};
use simple_ipc::{Channel, ErrorKind, Message, Mode, Options, Responder};
use support::Scratch;

/// More than keep a thread each.
const CROWD: usize = 100;

fn echo(message: &Message, responder: Responder) {
    let _the_caller_may_be_gone = responder.respond(message);
}

fn listen(options: &Options, handler: impl Fn(&Message, Responder) + Send + Sync + 'static) -> Listener {
    Listener::serve(&Channel::uds("crowd").unwrap(), Mode::Request, options, handler).unwrap()
}

fn connect(listener: &Listener, options: &Options) -> Client {
    Client::connect(listener.channel(), options).unwrap()
}

/// Runs `client` in as many threads, which have all connected before any goes on.
fn crowd(listener: &Listener, options: &Options, client: impl Fn(usize, &Client) + Sync) {
    let all = Barrier::new(CROWD);
    std::thread::scope(|scope| {
        for number in 0..CROWD {
            let (all, client) = (&all, &client);
            scope.spawn(move || {
                let connected = connect(listener, options);
                all.wait();
                client(number, &connected);
            });
        }
    });
}

/// How many threads of this process run handlers.
#[cfg(target_os = "linux")]
fn threads_for_handlers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "simple-ipc-work").count()
}

#[test]
#[cfg(target_os = "linux")]
fn a_crowd_of_busy_clients_shares_few_threads_and_each_gets_its_own_answers() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let most = Arc::new(AtomicUsize::new(0));
    let listener = listen(&options, echo);
    crowd(&listener, &options, |client, connected| {
        for number in 0..200 {
            assert_eq!(connected.request::<(usize, usize)>((client, number)).unwrap(), (client, number));
            if client == 0 {
                most.fetch_max(threads_for_handlers(), Ordering::Relaxed);
            }
        }
    });
    assert_eq!(listener.counters().messages, CROWD as u64 * 200);
    let most = most.load(Ordering::Relaxed);
    assert!(most < CROWD * 3 / 4, "{most} threads for {CROWD} clients");
    listener.close().unwrap();
}

#[test]
fn a_handler_that_waits_keeps_nobody_else_of_a_crowd_waiting() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let (gate, waits) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let listener = {
        let (gate, waits) = (gate.clone(), Arc::clone(&waits));
        listen(&options, move |message, responder| {
            if message.decode::<usize>().is_ok_and(|number| number == usize::MAX) {
                waits.fetch_add(1, Ordering::SeqCst);
                gate.wait();
            }
            echo(message, responder);
        })
    };
    let left = AtomicUsize::new(CROWD - 3);
    crowd(&listener, &options, |client, connected| {
        let others = |rounds: usize| {
            for number in 0..rounds {
                assert_eq!(connected.request::<usize>(number).unwrap(), number);
            }
        };
        others(50);
        if client < 3 {
            assert_eq!(connected.request::<usize>(usize::MAX).unwrap(), usize::MAX);
            return;
        }
        others(100);
        // All others have been answered while three handlers wait, or will.
        if left.fetch_sub(1, Ordering::SeqCst) == 1 {
            while waits.load(Ordering::SeqCst) < 3 {
                std::thread::yield_now();
            }
            others(10);
            gate.open();
        }
    });
    listener.close().unwrap();
}

#[test]
fn handlers_that_wait_for_each_other_run_side_by_side_however_many_were_quick_before() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let meet = Arc::new(AtomicBool::new(false));
    let listener = {
        let (meet, all) = (Arc::clone(&meet), Arc::new(Barrier::new(CROWD)));
        listen(&options, move |message, responder| {
            if meet.load(Ordering::SeqCst) {
                all.wait();
            }
            echo(message, responder);
        })
    };
    let all = Barrier::new(CROWD);
    crowd(&listener, &options, |client, connected| {
        for number in 0..100 {
            assert_eq!(connected.request::<usize>(number).unwrap(), number);
        }
        all.wait();
        if client == 0 {
            meet.store(true, Ordering::SeqCst);
        }
        all.wait();
        for number in 0..3 {
            assert_eq!(connected.request::<usize>(number).unwrap(), number);
        }
    });
    listener.close().unwrap();
}

#[test]
fn answers_that_come_later_from_elsewhere_find_their_callers_in_a_crowd() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let (later, due) = std::sync::mpsc::channel::<(Message, Responder)>();
    let later = std::sync::Mutex::new(later);
    let listener = listen(&options, move |message, responder| {
        if message.decode::<usize>().is_ok_and(|number| number.is_multiple_of(3)) {
            later.lock().unwrap().send((message.clone(), responder)).unwrap();
        } else {
            echo(message, responder);
        }
    });
    let answers = std::thread::spawn(move || due.iter().for_each(|(message, responder)| echo(&message, responder)));
    crowd(&listener, &options, |_, connected| {
        for number in 0..60 {
            assert_eq!(connected.request::<usize>(number).unwrap(), number);
        }
    });
    listener.close().unwrap();
    answers.join().unwrap();
}

#[test]
fn a_crowd_that_gives_up_while_handlers_run_leaves_nothing_in_flight() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let gate = Gate::default();
    let listener = {
        let gate = gate.clone();
        listen(&options, move |message, responder| {
            if message.decode::<usize>().is_ok_and(|number| number == 20) {
                gate.wait();
            }
            echo(message, responder);
        })
    };
    let impatient = options.clone().timeout(Duration::from_millis(300));
    let given_up = AtomicUsize::new(0);
    crowd(&listener, &impatient, |client, connected| {
        for number in 0..20 {
            connected.request::<usize>(number).ok();
        }
        if client < 10 {
            assert_eq!(connected.request::<usize>(20).unwrap_err().kind(), ErrorKind::TimedOut);
            given_up.fetch_add(1, Ordering::SeqCst);
        }
    });
    assert_eq!(given_up.load(Ordering::SeqCst), 10);
    gate.open();
    listener.close().unwrap();
    assert_eq!(listener.counters().in_flight, 0);
}

#[test]
fn a_closing_listener_answers_what_a_crowd_has_sent_and_says_goodbye_to_all_of_it() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let (first, second) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let listener = listen(&options, echo);
    let all = Barrier::new(CROWD + 1);
    std::thread::scope(|scope| {
        for _ in 0..CROWD {
            scope.spawn(|| {
                let connected = connect(&listener, &options.clone().wait(Duration::from_secs(60)));
                for number in 0..30 {
                    assert_eq!(connected.request::<usize>(number).unwrap(), number);
                    first.fetch_add(1, Ordering::Relaxed);
                }
                all.wait();
                // One listener closes, another one comes: no request is lost, and none is answered twice.
                for number in 0..30 {
                    assert_eq!(connected.request::<usize>(number).unwrap(), number);
                    second.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        all.wait();
        listener.close().unwrap();
        let handled = listener.counters().messages;
        let next = listen(&options, echo);
        while second.load(Ordering::Relaxed) < CROWD * 30 {
            std::thread::yield_now();
        }
        assert_eq!(handled + next.counters().messages, 2 * CROWD as u64 * 30);
        next.close().unwrap();
    });
}

#[test]
fn a_crowd_that_has_gone_quiet_is_served_again_and_closes_at_once() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let listener = listen(&options, echo);
    let clients: Vec<Client> = (0..CROWD).map(|_| connect(&listener, &options)).collect();
    for round in 0..3 {
        for client in &clients {
            assert_eq!(client.request::<usize>(round).unwrap(), round);
        }
    }
    drop(clients.into_iter().step_by(2));
    listener.close().unwrap();
}

#[test]
fn the_messages_of_a_crowd_without_answers_come_in_order_and_are_confirmed_though_some_handlers_are_slow() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let seen: Arc<Vec<AtomicUsize>> = Arc::new((0..CROWD).map(|_| AtomicUsize::new(0)).collect());
    let listener = {
        let seen = Arc::clone(&seen);
        let handler = move |message: &Message, _: Responder| {
            let (client, number) = message.decode::<(usize, usize)>().unwrap();
            if client < 10 && number % 50 == 7 {
                // Longer than another thread leaves the sessions with this one that share it.
                std::thread::sleep(Duration::from_millis(8));
            }
            assert_eq!(seen[client].swap(number + 1, Ordering::SeqCst), number);
        };
        Listener::serve(&Channel::uds("crowd").unwrap(), Mode::Broadcast, &options, handler).unwrap()
    };
    crowd(&listener, &options, |client, connected| {
        for number in 0..300 {
            connected.broadcast((client, number)).unwrap();
            if number % 100 == 99 {
                connected.flush().unwrap();
                assert_eq!(seen[client].load(Ordering::SeqCst), number + 1);
            }
        }
    });
    assert_eq!(listener.counters().messages, CROWD as u64 * 300);
    listener.close().unwrap();
}
