//! The blocking half.

use std::collections::HashSet;
use std::io::BufRead;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use simple_ipc::blocking::{Listener, post_broadcast, post_request};
use simple_ipc::{Channel, Message, Mode, Options, Responder};

use crate::{Command, Failure, Order, order, say, say_many, say_result, values, wrong_answer};

/// What handlers wait for.
#[derive(Default)]
struct Waiting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    released: HashSet<String>,
    met: usize,
}

impl Waiting {
    /// Until nobody waits for the answer or the runner lets go. A blocking handler asks; nothing calls it back.
    fn wait(&self, id: &str, responder: &Responder) {
        say(&format!("started\t{id}"));
        let mut state = self.state.lock().expect("no handler panics");
        loop {
            if state.released.contains(id) {
                return say(&format!("released\t{id}"));
            }
            if responder.is_cancelled() {
                return say(&format!("cancelled\t{id}"));
            }
            state = self.changed.wait_timeout(state, Duration::from_millis(2)).expect("no handler panics").0;
        }
    }

    fn meet(&self, guests: usize) {
        let mut state = self.state.lock().expect("no handler panics");
        let complete = (state.met / guests + 1) * guests;
        state.met += 1;
        self.changed.notify_all();
        while state.met < complete {
            state = self.changed.wait(state).expect("no handler panics");
        }
    }

    fn answer(&self, message: &Message, responder: Responder) {
        match order(message) {
            Order::Fail(text) => {
                responder.fail(&text).ok();
                return;
            }
            Order::Wait(id) => self.wait(&id, &responder),
            Order::Meet(guests) => self.meet(guests),
            Order::Echo => say(&format!("heard\t{}", values::describe(message))),
        }
        responder.respond(message).ok();
    }
}

pub(crate) fn listen(prefix: &str) -> Result<(), Failure> {
    let waiting = Arc::new(Waiting::default());
    let options = Options::new().plain_text(true);
    let request = |channel: Channel| {
        let waiting = waiting.clone();
        let handler = move |message: &Message, responder: Responder| waiting.answer(message, responder);
        Listener::serve(&channel, Mode::Request, &options, handler)
    };
    let broadcast = |channel: Channel| {
        let handler = |message: &Message, _: Responder| say(&format!("heard\t{}", values::describe(message)));
        Listener::serve(&channel, Mode::Broadcast, &options, handler)
    };
    let listeners = [
        request(Channel::uds(&format!("{prefix}_requests"))?)?,
        broadcast(Channel::uds(&format!("{prefix}_broadcasts"))?)?,
        request(Channel::ip(0)?)?,
        broadcast(Channel::ip(0)?)?,
    ];
    let port = |listener: &Listener| listener.port().unwrap_or_default();
    say(&format!("ready\t{}\t{}", port(&listeners[2]), port(&listeners[3])));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let id = line.strip_prefix("release\t").ok_or("unknown command")?;
        waiting.state.lock().expect("no handler panics").released.insert(id.to_owned());
        waiting.changed.notify_all();
    }
    for listener in listeners {
        listener.close()?;
    }
    Ok(())
}

pub(crate) fn post() -> Result<(), Failure> {
    say("ready");
    for line in std::io::stdin().lock().lines() {
        let command = Command::parse(&line?)?;
        let Command { channel, options, .. } = &command;
        match command.verb.as_str() {
            "request" => say_result(post_request(channel, &values::build(&command.value)?, options).map(Some)),
            "broadcast" => {
                say_result(post_broadcast(channel, &values::build(&command.value)?, options).map(|()| None));
            }
            "many" => say_many(many(&command)),
            verb => return Err(format!("unknown command {verb}").into()),
        }
    }
    Ok(())
}

/// Many requests at once, a thread each; why one of them went wrong.
fn many(command: &Command) -> Option<String> {
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..command.count)
            .map(|number| {
                scope.spawn(move || {
                    let text = format!("{}{number}", command.value);
                    wrong_answer(&text, post_request(&command.channel, &Message::text(&text), &command.options))
                })
            })
            .collect();
        calls.into_iter().filter_map(|call| call.join().expect("a call does not panic")).next_back()
    })
}
