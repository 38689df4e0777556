//! This library on tokio.

use simple_ipc::{Channel, Client, ItemStream, Listener, Message, Mode, Options, Responder};

use crate::{CleansUp, Failure, Wanted, answer, cleaned, item_size, now, ready, say_median, say_rate, until_end};

pub(crate) async fn serve(address: &str) -> Result<(), Failure> {
    let handler = async |opening: Message, responder: Responder| {
        let Some(size) = item_size(opening.data()) else {
            let _ = responder.respond(&Message::bytes(answer(opening.data())));
            return;
        };
        let _cleans_up = CleansUp;
        let Ok(reply) = responder.stream() else { return };
        let item = Message::bytes(vec![0; size]);
        while reply.send_async(&item).await.is_ok() {}
    };
    let handler = move |opening, responder| handler(opening, responder);
    let _listener = Listener::serve(&Channel::uds(address)?, Mode::Request, &Options::new(), handler).await?;
    ready();
    tokio::task::spawn_blocking(|| until_end()).await?
}

async fn next(stream: &mut ItemStream) -> Result<(), Failure> {
    stream.next().await.ok_or("it ended")??;
    Ok(())
}

pub(crate) async fn measure(address: &str, wanted: &Wanted) -> Result<(), Failure> {
    let client = Client::connect(&Channel::uds(address)?, &Options::new()).await?;
    let opening = Message::bytes(wanted.opening());
    let (span, before) = wanted.spans();
    if wanted.what == "down" {
        let mut stream = client.stream_message(&opening, None).await?;
        let end = now() + before;
        while now() < end {
            next(&mut stream).await?;
        }
        let (began, mut count) = (now(), 0);
        while now() < began + span {
            for _ in 0..16 {
                next(&mut stream).await?;
            }
            count += 16;
        }
        say_rate(count, now() - began);
        return Ok(());
    }
    let request = async |body: Vec<u8>| client.request_message(&Message::bytes(body), None).await;
    let once = async || -> Result<u64, Failure> {
        let began = now();
        match wanted.what.as_str() {
            "request" => {
                request(vec![0; wanted.size]).await?;
                Ok(now() - began)
            }
            "first" => {
                let mut stream = client.stream_message(&opening, None).await?;
                next(&mut stream).await?;
                Ok(now() - began)
            }
            _ => {
                let (count, _) = cleaned(request(b"?".to_vec()).await?.data());
                let mut stream = client.stream_message(&opening, None).await?;
                for _ in 0..5 {
                    next(&mut stream).await?;
                }
                let began = now();
                drop(stream);
                loop {
                    let (seen, at) = cleaned(request(b"?".to_vec()).await?.data());
                    if seen > count {
                        return Ok(at.saturating_sub(began));
                    }
                }
            }
        }
    };
    let end = now() + before;
    while now() < end {
        once().await?;
    }
    let (end, mut took) = (now() + span, Vec::new());
    while now() < end || took.is_empty() {
        took.push(once().await?);
    }
    say_median(took);
    Ok(())
}
