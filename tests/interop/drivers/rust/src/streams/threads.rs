//! The blocking half.

use std::io::BufRead;
use std::sync::{Arc, Condvar, Mutex};

use simple_ipc::blocking::{ItemStream, Listener, post_stream};
use simple_ipc::{Channel, ErrorKind, HandlerFailure, Message, Mode, Responder, Result};

use super::{Calling, Cleaned, Order, Taken, Total, calling, item, options, order};
use crate::{Failure, say, say_error};

#[derive(Default)]
struct Handling {
    cleaned: Cleaned,
    /// How often stubborn handlers were let go.
    released: Mutex<usize>,
    changed: Condvar,
}

impl Handling {
    fn answer(&self, opening: &Message, responder: Responder) -> Result<()> {
        match order(opening) {
            Order::Count { count, size } => {
                let reply = responder.stream()?;
                (0..count).try_for_each(|number| reply.send(&item(number, size), None))?;
                reply.end()
            }
            Order::Fail { after } => {
                let reply = responder.stream()?;
                (0..after).try_for_each(|number| reply.send(&item(number, 0), None))?;
                reply.fail_with(HandlerFailure::new("on purpose").code("stopped").data(&after)?)
            }
            Order::Total => {
                let items = responder.items();
                let mut total = Total::new();
                while let Some(item) = items.recv(None)? {
                    total.add(&item);
                }
                responder.respond(&total.message())
            }
            Order::First { count } => {
                let reply = responder.stream()?;
                let items = reply.items();
                for _ in 0..count {
                    items.recv(None)?;
                }
                reply.send(&Message::json(&count)?, None)?;
                reply.end()
            }
            Order::Echo => {
                let _counted = self.cleaned.when_dropped();
                let reply = responder.stream()?;
                let items = reply.items();
                while let Some(item) = items.recv(None)? {
                    reply.send(&item, None)?;
                }
                reply.end()
            }
            Order::Forever { size } => {
                let _counted = self.cleaned.when_dropped();
                let reply = responder.stream()?;
                (0..).try_for_each(|number| reply.send(&item(number, size), None))
            }
            Order::Silent => {
                let _counted = self.cleaned.when_dropped();
                let reply = responder.stream()?;
                let items = reply.items();
                while items.recv(None)?.is_some() {}
                reply.end()
            }
            Order::Stubborn => {
                let reply = responder.stream()?;
                let released = self.released.lock().expect("no handler panics");
                reply.send(&item(0, 0), None)?;
                let before = *released;
                drop(self.changed.wait_while(released, |released| *released == before).expect("no handler panics"));
                reply.end()
            }
            Order::Unknown => responder.fail("unknown"),
        }
    }
}

pub(crate) fn listen(prefix: &str) -> std::result::Result<(), Failure> {
    let handling = Arc::new(Handling::default());
    let listen = |channel: Channel| {
        let handling = Arc::clone(&handling);
        Listener::serve(&channel, Mode::Request, &options(), move |opening, responder| {
            // A caller that has left is what most cases are about.
            let _told_to_the_caller = handling.answer(opening, responder);
        })
    };
    let name = format!("{prefix}_streams");
    let (named, port) = (listen(Channel::uds(&name)?)?, listen(Channel::ip(0)?)?);
    say(&format!("ready\t{}", port.port().unwrap_or_default()));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["cleaned"] => handling.cleaned.say(),
            ["release"] => {
                *handling.released.lock().expect("no handler panics") += 1;
                handling.changed.notify_all();
                say("ok");
            }
            ["counters", address] => {
                super::say_counters(if address == name { named.counters() } else { port.counters() });
            }
            _ => return Err(format!("unknown command {line}").into()),
        }
    }
    named.close()?;
    Ok(port.close()?)
}

pub(crate) fn call() -> std::result::Result<(), Failure> {
    say("ready");
    let mut opened: Option<ItemStream> = None;
    for line in std::io::stdin().lock().lines() {
        let order = calling(&line?)?;
        if let Calling::Open { channel, opening } = order {
            match post_stream(&channel, &opening, &options()) {
                Ok(stream) => {
                    opened = Some(stream);
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
        let stream = opened.as_ref().ok_or("no stream is open")?;
        match order {
            Calling::Next { timeout } => super::say_next(stream.next_timeout(timeout)),
            Calling::Take { wanted } => take(stream, wanted).say(),
            Calling::Send { item } => super::say_done(stream.send_message(&item)),
            Calling::Sends { count, size } => say_sent(send_all(stream, count, size)),
            Calling::End => super::say_done(stream.end()),
            Calling::Pump { count, size } => {
                let taken = std::thread::scope(|scope| {
                    scope.spawn(|| {
                        let _the_taking_side_says_so = send_all(stream, count, size).and_then(|_| stream.end());
                    });
                    take(stream, count)
                });
                taken.say();
            }
            Calling::Cancel => {
                let closer = stream.closer();
                let closing = std::thread::spawn(move || {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    closer.close();
                });
                super::say_next(stream.next_timeout(std::time::Duration::from_secs(60)));
                closing.join().map_err(|_| "closing panicked")?;
            }
            Calling::Leave => {
                // A loop that is left after its first item.
                opened.take().ok_or("no stream is open")?.next().transpose()?;
                say("ok");
            }
            Calling::Open { .. } | Calling::Close => unreachable!("they are done above"),
        }
    }
    Ok(())
}

fn take(stream: &ItemStream, wanted: usize) -> Taken {
    let mut taken = Taken::default();
    while taken.count < wanted
        && let Some(Ok(item)) = (&mut &*stream).next()
    {
        taken.take(&item);
    }
    taken
}

/// How many were sent before the listener ended the stream.
fn send_all(stream: &ItemStream, count: usize, size: usize) -> Result<usize> {
    for number in 0..count {
        match stream.send_message(&item(number, size)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Closed => return Ok(number),
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

fn say_sent(sent: Result<usize>) {
    match sent {
        Ok(count) => say(&format!("ok\t{count}")),
        Err(error) => say_error(&error),
    }
}
