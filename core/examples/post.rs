//! Posts one request and prints its answer: `post NAME TEXT`, or `post :PORT TEXT`.

use std::time::Instant;

use simple_ipc::blocking::post_request;
use simple_ipc::{Channel, Message, Options};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "an example program prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(channel), Some(text)) = (arguments.next(), arguments.next()) else {
        return Err("usage: post NAME|:PORT TEXT".into());
    };
    let channel: Channel = channel.parse()?;
    let began = Instant::now();
    let reply = post_request(&channel, &Message::text(&text), &Options::new())?;
    eprintln!("{}", began.elapsed().as_micros());
    println!("{}", reply.as_text().unwrap_or_default());
    Ok(())
}
