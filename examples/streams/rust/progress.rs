//! A worker reports how far it is while it works. Leaving the loop would stop it at its next step.

#![expect(clippy::print_stdout, reason = "an example program prints")]

use serde_json::{Value, json};
use simple_ipc::Items;
use simple_ipc::blocking::{listen_uds_stream, post_uds_stream};

fn main() -> simple_ipc::Result<()> {
    let _listener = listen_uds_stream("progress", |files: Vec<String>, _: Items<()>| {
        let of = files.len();
        // Here each step would do something with its file.
        Ok((1..=of).map(move |done| Ok(json!({"done": done, "of": of}))))
    })?;
    for report in post_uds_stream::<Value>("progress", ["a", "b", "c"])? {
        let report = report?;
        println!("{} of {}", report["done"], report["of"]);
    }
    Ok(())
}
