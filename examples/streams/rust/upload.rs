//! Bytes go up, and one answer comes back. The sender waits whenever the receiver falls behind.

#![expect(clippy::print_stdout, reason = "an example program prints")]

use simple_ipc::blocking::{listen_uds_stream, post_uds_stream};
use simple_ipc::{Items, Message};

fn main() -> simple_ipc::Result<()> {
    let _listener = listen_uds_stream("upload", |name: String, chunks: Items<Message>| {
        let (mut count, mut bytes) = (0, 0);
        for chunk in &chunks {
            (count, bytes) = (count + 1, bytes + chunk?.len());
        }
        Ok([Ok(format!("{name}: {count} chunks, {bytes} bytes"))])
    })?;
    let upload = post_uds_stream::<String>("upload", "a film")?;
    let chunk = Message::bytes(vec![0; 64 << 10]);
    for _ in 0..100 {
        upload.send_message(&chunk)?;
    }
    upload.end()?;
    for answer in &upload {
        println!("{}", answer?);
    }
    Ok(())
}
