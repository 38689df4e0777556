//! The asynchronous half.

use std::sync::Arc;
use std::time::Duration;

use simple_ipc::{
    Channel, Error, ErrorKind, HandlerFailure, ItemSender, ItemStream, Listener, Message, Mode, Responder, Result,
    post_stream,
};
use tokio::sync::watch;

use super::{Calling, Cleaned, Order, Taken, Total, calling, item, options, order};
use crate::tasks::lines;
use crate::{Failure, say, say_error};

#[derive(Default)]
struct Handling {
    cleaned: Cleaned,
    /// How often stubborn handlers were let go.
    released: watch::Sender<usize>,
}

impl Handling {
    async fn answer(&self, opening: &Message, responder: Responder) -> Result<()> {
        match order(opening) {
            Order::Count { count, size } => {
                let reply = responder.stream()?;
                for number in 0..count {
                    reply.send_async(&item(number, size)).await?;
                }
                reply.end()
            }
            Order::Fail { after } => {
                let reply = responder.stream()?;
                for number in 0..after {
                    reply.send_async(&item(number, 0)).await?;
                }
                reply.fail_with(HandlerFailure::new("on purpose").code("stopped").data(&after)?)
            }
            Order::Total => {
                let items = responder.items();
                let mut total = Total::new();
                while let Some(item) = items.next().await {
                    total.add(&item?);
                }
                responder.respond(&total.message())
            }
            Order::First { count } => {
                let reply = responder.stream()?;
                let items = reply.items();
                for _ in 0..count {
                    items.next().await.transpose()?;
                }
                reply.send_async(&Message::json(&count)?).await?;
                reply.end()
            }
            Order::Echo => {
                let _counted = self.cleaned.when_dropped();
                let reply = responder.stream()?;
                let items = reply.items();
                while let Some(item) = items.next().await {
                    reply.send_async(&item?).await?;
                }
                reply.end()
            }
            Order::Forever { size } => {
                let _counted = self.cleaned.when_dropped();
                let reply = responder.stream()?;
                for number in 0.. {
                    reply.send_async(&item(number, size)).await?;
                }
                reply.end()
            }
            Order::Silent => {
                let _counted = self.cleaned.when_dropped();
                let reply = responder.stream()?;
                let items = reply.items();
                while items.next().await.transpose()?.is_some() {}
                reply.end()
            }
            Order::Stubborn => {
                // A task of its own: the handler's is dropped when the caller leaves.
                let mut released = self.released.subscribe();
                let stubborn = tokio::spawn(async move {
                    let reply = responder.stream()?;
                    reply.send_async(&item(0, 0)).await?;
                    let _the_driver_ends = released.changed().await;
                    reply.end()
                });
                stubborn.await.expect("it does not panic")
            }
            Order::Unknown => responder.fail("unknown"),
        }
    }
}

pub(crate) async fn listen(prefix: &str) -> std::result::Result<(), Failure> {
    let handling = Arc::new(Handling::default());
    let listen = async |channel: Channel| {
        let handling = Arc::clone(&handling);
        Listener::serve(&channel, Mode::Request, &options(), move |opening, responder| {
            let handling = Arc::clone(&handling);
            async move {
                // A caller that has left is what most cases are about.
                let _told_to_the_caller = handling.answer(&opening, responder).await;
            }
        })
        .await
    };
    let name = format!("{prefix}_streams");
    let (named, port) = (listen(Channel::uds(&name)?).await?, listen(Channel::ip(0)?).await?);
    say(&format!("ready\t{}", port.port().unwrap_or_default()));
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["cleaned"] => handling.cleaned.say(),
            ["release"] => {
                handling.released.send_modify(|released| *released += 1);
                say("ok");
            }
            ["counters", address] => {
                super::say_counters(if address == name { named.counters() } else { port.counters() });
            }
            _ => return Err(format!("unknown command {line}").into()),
        }
    }
    named.close().await?;
    Ok(port.close().await?)
}

pub(crate) async fn call() -> std::result::Result<(), Failure> {
    say("ready");
    let mut opened: Option<ItemStream> = None;
    // A Rust stream ends behind its error; the runner asks again.
    let mut failed: Option<Error> = None;
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        let order = calling(&line)?;
        if let Calling::Open { channel, opening } = order {
            match post_stream(&channel, &opening, &options()).await {
                Ok(stream) => {
                    (opened, failed) = (Some(stream), None);
                    say("ok");
                }
                Err(error) => say_error(&error),
            }
            continue;
        }
        if let Calling::Close = order {
            opened = None;
            say("ok");
            continue;
        }
        let stream = opened.as_mut().ok_or("no stream is open")?;
        match order {
            Calling::Next { .. } if failed.is_some() => failed.iter().for_each(say_error),
            Calling::Next { timeout } => match tokio::time::timeout(timeout, stream.next()).await {
                Ok(Some(Err(error))) => say_error(failed.insert(error)),
                Ok(item) => super::say_next(item.transpose()),
                Err(_) => say("error\ttimed_out\tno\tno item came in time"),
            },
            Calling::Take { wanted } => take(stream, wanted, &mut failed).await.say(),
            Calling::Send { item } => super::say_done(stream.sender().send_message(&item).await),
            Calling::Sends { count, size } => match send_all(stream.sender(), count, size).await {
                Ok(sent) => say(&format!("ok\t{sent}")),
                Err(error) => say_error(&error),
            },
            Calling::End => super::say_done(stream.end()),
            Calling::Pump { count, size } => {
                let sender = stream.sender();
                let sending = tokio::spawn(async move {
                    // The side that takes says what went wrong.
                    if send_all(sender.clone(), count, size).await.is_ok() {
                        let _ended_already = sender.end();
                    }
                });
                let taken = take(stream, count, &mut failed).await;
                sending.await?;
                taken.say();
            }
            Calling::Cancel => {
                // The item's future is dropped, and then the stream.
                let waited = tokio::time::timeout(Duration::from_millis(5), stream.next()).await;
                opened = None;
                match waited {
                    Ok(item) => super::say_next(item.transpose()),
                    Err(_) => say("error\tcancelled\tmaybe\tthe future was dropped"),
                }
            }
            Calling::Leave => {
                let mut stream = opened.take().ok_or("no stream is open")?;
                // A loop that is left after its first item.
                stream.next().await.transpose()?;
                drop(stream);
                say("ok");
            }
            Calling::Open { .. } | Calling::Close => unreachable!("they are done above"),
        }
    }
    Ok(())
}

async fn take(stream: &mut ItemStream, wanted: usize, failed: &mut Option<Error>) -> Taken {
    let mut taken = Taken::default();
    while taken.count < wanted
        && let Some(item) = stream.next().await
    {
        match item {
            Ok(item) => taken.take(&item),
            Err(error) => *failed = Some(error),
        }
    }
    taken
}

/// How many were sent before the listener ended the stream.
async fn send_all(sender: ItemSender, count: usize, size: usize) -> Result<usize> {
    for number in 0..count {
        match sender.send_message(&item(number, size)).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Closed => return Ok(number),
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}
