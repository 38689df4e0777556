//! This library's blocking half.

use simple_ipc::blocking::{Client, ItemStream, Listener};
use simple_ipc::{Channel, Message, Mode, Options, Responder};

use crate::{CleansUp, Failure, Wanted, answer, cleaned, item_size, now, ready, say_median, say_rate, until_end};

pub(crate) fn serve(address: &str) -> Result<(), Failure> {
    let handler = |opening: &Message, responder: Responder| {
        let Some(size) = item_size(opening.data()) else {
            let _ = responder.respond(&Message::bytes(answer(opening.data())));
            return;
        };
        let _cleans_up = CleansUp;
        let Ok(reply) = responder.stream() else { return };
        let item = Message::bytes(vec![0; size]);
        while reply.send(&item, None).is_ok() {}
    };
    let _listener = Listener::serve(&Channel::uds(address)?, Mode::Request, &Options::new(), handler)?;
    ready();
    until_end()
}

pub(crate) fn measure(address: &str, wanted: &Wanted) -> Result<(), Failure> {
    let client = Client::connect(&Channel::uds(address)?, &Options::new())?;
    let opening = Message::bytes(wanted.opening());
    let open = || client.stream_message(&opening, None);
    let request = |body: &[u8]| client.request_message(&Message::bytes(body), None);
    let next = |stream: &mut ItemStream| -> Result<(), Failure> { Ok(stream.next().ok_or("it ended")??).map(drop) };
    let (span, before) = wanted.spans();
    if wanted.what == "down" {
        let mut stream = open()?;
        let end = now() + before;
        while now() < end {
            next(&mut stream)?;
        }
        let (began, mut count) = (now(), 0);
        while now() < began + span {
            for _ in 0..16 {
                next(&mut stream)?;
            }
            count += 16;
        }
        say_rate(count, now() - began);
        return Ok(());
    }
    let once = || -> Result<u64, Failure> {
        let began = now();
        match wanted.what.as_str() {
            "request" => {
                request(&vec![0; wanted.size])?;
                Ok(now() - began)
            }
            "first" => {
                let mut stream = open()?;
                next(&mut stream)?;
                Ok(now() - began)
            }
            _ => {
                let (count, _) = cleaned(request(b"?")?.data());
                let mut stream = open()?;
                for _ in 0..5 {
                    next(&mut stream)?;
                }
                let began = now();
                drop(stream);
                loop {
                    let (seen, at) = cleaned(request(b"?")?.data());
                    if seen > count {
                        return Ok(at.saturating_sub(began));
                    }
                }
            }
        }
    };
    let end = now() + before;
    while now() < end {
        once()?;
    }
    let (end, mut took) = (now() + span, Vec::new());
    while now() < end || took.is_empty() {
        took.push(once()?);
    }
    say_median(took);
    Ok(())
}
