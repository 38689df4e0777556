//! A program that says what it does: so many lines, every tenth of them an error.
//!
//! `source NAME COUNT`

use std::time::Duration;

use serde_json::json;
use simple_ipc::blocking::Client;
use simple_ipc::{Channel, Options};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [name, count] = <[String; 2]>::try_from(std::env::args().skip(1).collect::<Vec<_>>())
        .map_err(|_| "usage: source NAME COUNT")?;
    let logs = Client::connect(&Channel::uds("logs")?, &Options::new().wait(Duration::from_secs(60)))?;
    for number in 1..=count.parse::<u32>()? {
        let level = if number % 10 == 0 { "error" } else { "info" };
        // Returns at once, unless the collector is far behind.
        logs.broadcast(json!({"source": name, "level": level, "text": format!("line {number}")}))?;
    }
    // All lines are in the collector's file when this returns; else it says how many may not be.
    logs.flush()?;
    Ok(())
}
