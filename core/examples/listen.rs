//! Answers requests until standard input ends: `listen NAME`, or `listen :PORT`. Prints each message.

use std::io::Read;

use simple_ipc::blocking::Listener;
use simple_ipc::{Channel, Message, Mode, Options, Responder};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "an example program prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let channel: Channel = std::env::args().nth(1).ok_or("usage: listen NAME|:PORT")?.parse()?;
    let handler = |message: &Message, responder: Responder| {
        println!("{}", message.as_text().unwrap_or_default());
        let _the_caller_may_have_gone = responder.respond(&Message::text("response-bar"));
    };
    // Plain text is off on TCP unless it is asked for.
    let listener = Listener::serve(&channel, Mode::Request, &Options::new().plain_text(true), handler)?;
    eprintln!("ready on {}", listener.address());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    listener.close()?;
    Ok(())
}
