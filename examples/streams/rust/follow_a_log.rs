//! A log is followed as it is written, until its reader has seen enough.

#![expect(clippy::print_stdout, reason = "an example program prints")]

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use simple_ipc::blocking::{listen_uds_stream, post_uds_stream};
use simple_ipc::{HandlerResult, Items};

/// The lines of a log, as they are written.
struct Follow {
    log: BufReader<File>,
    line: String,
    gone: Sender<()>,
}

impl Iterator for Follow {
    type Item = HandlerResult<Option<String>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.log.read_line(&mut self.line) {
            Ok(_) if self.line.ends_with('\n') => Some(Ok(Some(std::mem::take(&mut self.line).trim_end().to_owned()))),
            Ok(_) => {
                // An item without a line is a moment at which a handler hears that its reader has left.
                std::thread::sleep(Duration::from_millis(10));
                Some(Ok(None))
            }
            Err(error) => Some(Err(error.into())),
        }
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        println!("the log is no longer followed");
        let _nobody_waits = self.gone.send(());
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("followed-{}.log", std::process::id()));
    fs::write(&path, "started\n")?;
    let (gone, is_gone) = channel();
    let _listener = listen_uds_stream("follow_a_log", move |path: PathBuf, _: Items<()>| {
        Ok(Follow { log: BufReader::new(File::open(path)?), line: String::new(), gone: gone.clone() })
    })?;
    for line in post_uds_stream::<Option<String>>("follow_a_log", &path)? {
        let Some(line) = line? else { continue };
        println!("{line}");
        match line.as_str() {
            "started" => OpenOptions::new().append(true).open(&path)?.write_all(b"working\nstopped\n")?,
            "stopped" => break, // The handler is told at once.
            _ => {}
        }
    }
    is_gone.recv()?;
    fs::remove_file(&path)?;
    Ok(())
}
