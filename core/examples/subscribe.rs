//! Subscribes and prints each event, until the publisher ends: `subscribe NAME`.

use std::time::Duration;

use simple_ipc::Options;
use simple_ipc::blocking::subscribe_uds_with;

#[expect(clippy::print_stdout, reason = "an example program prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let channel = std::env::args().nth(1).ok_or("usage: subscribe NAME")?;
    let options = Options::new().wait(Duration::from_secs(60)).reconnect(Duration::ZERO);
    for event in subscribe_uds_with::<String>(&channel, &options)? {
        println!("{}", event?.data);
    }
    Ok(())
}
