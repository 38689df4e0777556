//! Both sides talk, on one stream.

#![expect(clippy::print_stdout, reason = "an example program prints")]

use simple_ipc::Items;
use simple_ipc::blocking::{listen_uds_stream, post_uds_stream};

fn main() -> simple_ipc::Result<()> {
    let _listener = listen_uds_stream("chat", |name: String, lines: Items<String>| {
        let hello = std::iter::once(Ok(format!("hello, {name}")));
        let answers = std::iter::from_fn(move || match lines.recv(None) {
            Ok(line) => line.map(|line| Ok(format!("you said: {line}"))),
            Err(error) => Some(Err(error.into())),
        });
        Ok(hello.chain(answers).chain([Ok("goodbye".to_owned())]))
    })?;
    let chat = post_uds_stream::<String>("chat", "Ada")?;
    let mut lines = ["how are you?", "see you"].into_iter();
    for answer in &chat {
        println!("{}", answer?);
        match lines.next() {
            Some(line) => chat.send(line)?,
            None => chat.end()?,
        }
    }
    Ok(())
}
