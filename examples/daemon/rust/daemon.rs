//! A service and its command: keeps notes as long as it runs.
//!
//! - `daemon start`: in the foreground, until Ctrl-C, SIGTERM or `stop`
//! - `daemon add TEXT…`: adds a note
//! - `daemon list`: prints them
//! - `daemon status`: says whether it runs, and how many notes it has
//! - `daemon stop`: has it end when it has answered what it took

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example program prints")]

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use simple_ipc::blocking::{Client, Methods, listen_uds_request};
use simple_ipc::{Channel, Error, ErrorKind, Options, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::unbounded_channel;

const CHANNEL: &str = "notes";

fn start() -> Result<()> {
    let notes = Arc::new(Mutex::new(Vec::<String>::new()));
    let (stop, mut stopped) = unbounded_channel();
    // A handler that panics fails its caller and no other: the notes are what they were.
    let lock = |notes: &Mutex<Vec<String>>| notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    let (added, listed, counted) = (notes.clone(), notes.clone(), notes);
    let methods = Methods::new()
        .method("add", move |(text,): (String,)| {
            let mut notes = added.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            notes.push(text);
            Ok(notes.len())
        })
        .method("list", move |(): ()| Ok(lock(&listed)))
        .method("status", move |(): ()| Ok(json!({"notes": lock(&counted).len()})))
        .method("stop", move |(): ()| {
            stop.send(())?;
            Ok(())
        });
    // One instance: listening is the lock.
    let listener = listen_uds_request(CHANNEL, methods.handler())?;
    let asked_to_end = async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        println!("ready");
        tokio::select! {
            _ = stopped.recv() => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(asked_to_end))
        .map_err(|error| Error::new(ErrorKind::Os, format!("cannot wait for signals: {error}")))?;
    listener.close()?; // what was taken is answered, the channel's files are gone
    println!("stopped");
    Ok(())
}

fn call<A: DeserializeOwned>(method: &str, parameters: Value) -> Result<A> {
    let client = Client::connect(&Channel::uds(CHANNEL)?, &Options::new())?;
    client.call(method, parameters)
}

fn run(verb: &str, words: &[String]) -> Result<bool> {
    match (verb, words) {
        ("start", []) => start()?,
        ("add", [_, ..]) => println!("note {}", call::<u64>("add", json!([words.join(" ")]))?),
        ("list", []) => {
            for (index, note) in call::<Vec<String>>("list", json!([]))?.iter().enumerate() {
                println!("{}. {note}", index + 1);
            }
        }
        ("status", []) => println!("running with {} notes", call::<Value>("status", json!([]))?["notes"]),
        ("stop", []) => {
            call::<()>("stop", json!([]))?;
            println!("stopping");
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (verb, words) = arguments.split_first().map_or(("", &[][..]), |(verb, words)| (verb.as_str(), words));
    match run(verb, words) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => eprintln!("usage: daemon start | add TEXT… | list | status | stop"),
        Err(error) if error.kind() == ErrorKind::InUse => eprintln!("already running: {error}"),
        Err(error) if error.kind() == ErrorKind::NotListening => eprintln!("not running: daemon start"),
        Err(error) => eprintln!("{error}"),
    }
    ExitCode::FAILURE
}
