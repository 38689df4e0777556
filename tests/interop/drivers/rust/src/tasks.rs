//! The asynchronous half.

use std::collections::HashSet;
use std::io::BufRead;
use std::sync::Arc;

use simple_ipc::{Channel, Listener, Message, Mode, Options, Responder, post_broadcast, post_request};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::{Command, Failure, Order, order, say, say_many, say_result, values, wrong_answer};

pub(crate) fn run(future: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

/// The lines of standard input, which a thread reads until its end.
pub(crate) fn lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
    });
    lines
}

/// What handlers wait for.
struct Waiting {
    released: watch::Sender<HashSet<String>>,
    met: watch::Sender<usize>,
}

impl Waiting {
    async fn wait(&self, id: &str, responder: &Responder) {
        say(&format!("started\t{id}"));
        let mut released = self.released.subscribe();
        tokio::select! {
            () = responder.cancelled() => say(&format!("cancelled\t{id}")),
            _ = released.wait_for(|ids| ids.contains(id)) => say(&format!("released\t{id}")),
        }
    }

    async fn meet(&self, guests: usize) {
        let mut met = self.met.subscribe();
        let mut complete = 0;
        self.met.send_modify(|met| {
            complete = (*met / guests + 1) * guests;
            *met += 1;
        });
        met.wait_for(|met| *met >= complete).await.expect("the sender lives as long as its handlers");
    }

    async fn answer(&self, message: Message, responder: Responder) {
        match order(&message) {
            Order::Fail(text) => {
                responder.fail(&text).ok();
                return;
            }
            Order::Wait(id) => self.wait(&id, &responder).await,
            Order::Meet(guests) => self.meet(guests).await,
            Order::Echo => say(&format!("heard\t{}", values::describe(&message))),
        }
        responder.respond(&message).ok();
    }
}

pub(crate) async fn listen(prefix: &str) -> Result<(), Failure> {
    let waiting = Arc::new(Waiting { released: watch::Sender::new(HashSet::new()), met: watch::Sender::new(0) });
    let options = Options::new().plain_text(true);
    let request = |channel: Channel| {
        let waiting = waiting.clone();
        let options = &options;
        async move {
            let handler = move |message: Message, responder: Responder| {
                let waiting = waiting.clone();
                async move { waiting.answer(message, responder).await }
            };
            Listener::serve(&channel, Mode::Request, options, handler).await
        }
    };
    let broadcast = |channel: Channel| {
        let options = &options;
        async move {
            let handler = async |message: Message, _: Responder| say(&format!("heard\t{}", values::describe(&message)));
            Listener::serve(&channel, Mode::Broadcast, options, handler).await
        }
    };
    let listeners = [
        request(Channel::uds(&format!("{prefix}_requests"))?).await?,
        broadcast(Channel::uds(&format!("{prefix}_broadcasts"))?).await?,
        request(Channel::ip(0)?).await?,
        broadcast(Channel::ip(0)?).await?,
    ];
    let port = |listener: &Listener| listener.port().unwrap_or_default();
    say(&format!("ready\t{}\t{}", port(&listeners[2]), port(&listeners[3])));
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        let id = line.strip_prefix("release\t").ok_or("unknown command")?.to_owned();
        waiting.released.send_modify(|ids| {
            ids.insert(id);
        });
    }
    for listener in listeners {
        listener.close().await?;
    }
    Ok(())
}

pub(crate) async fn post() -> Result<(), Failure> {
    say("ready");
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        let command = Command::parse(&line)?;
        let Command { channel, options, .. } = &command;
        match command.verb.as_str() {
            "request" => say_result(post_request(channel, &values::build(&command.value)?, options).await.map(Some)),
            "broadcast" => {
                say_result(post_broadcast(channel, &values::build(&command.value)?, options).await.map(|()| None));
            }
            "cancel" => {
                let message = values::build(&command.value)?;
                tokio::select! {
                    reply = post_request(channel, &message, options) => say_result(reply.map(Some)),
                    _ = lines.recv() => say("error\tcancelled\tmaybe\tthe future was dropped"),
                }
            }
            "many" => say_many(many(&command).await),
            verb => return Err(format!("unknown command {verb}").into()),
        }
    }
    Ok(())
}

/// Many requests at once, a task each; why one of them went wrong.
async fn many(command: &Command) -> Option<String> {
    let mut calls = JoinSet::new();
    for number in 0..command.count {
        let text = format!("{}{number}", command.value);
        let (channel, options) = (command.channel.clone(), command.options.clone());
        calls.spawn(async move {
            let reply = post_request(&channel, &Message::text(&text), &options).await;
            wrong_answer(&text, reply)
        });
    }
    calls.join_all().await.into_iter().flatten().next_back()
}
