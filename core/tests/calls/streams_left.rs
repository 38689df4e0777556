//! Streams that their callers leave, in every way that Rust has.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use simple_ipc::blocking::{Listener, listen_uds_stream_with, post_stream};
use simple_ipc::event_loop::ItemStream;
use simple_ipc::{Channel, HandlerResult, Items, Message, Options};

use crate::support::Scratch;

/// Longer than anything takes.
const HANGS: Duration = Duration::from_secs(60);

/// Gives the number of its opening as often as that says, and then waits for an item of its caller, which never comes. Says
/// when it is dropped.
struct Silent(u32, Items<()>, Sender<()>);

impl Iterator for Silent {
    type Item = HandlerResult<u32>;

    fn next(&mut self) -> Option<HandlerResult<u32>> {
        if self.0 == 0 {
            return Some(self.1.recv(None).map(|_| 0).map_err(Into::into));
        }
        self.0 -= 1;
        Some(Ok(self.0))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _the_test_is_over = self.2.send(());
    }
}

fn listen(options: &Options) -> (Listener, std::sync::mpsc::Receiver<()>) {
    let (sender, dropped) = channel();
    let handler = move |count: u32, items: Items<()>| Ok(Silent(count, items, sender.clone()));
    (listen_uds_stream_with("clock", options, handler).unwrap(), dropped)
}

fn clock() -> Channel {
    Channel::uds("clock").unwrap()
}

#[test]
fn a_stream_is_given_up_from_anywhere_without_waiting_and_without_failing() {
    let scratch = Scratch::new();
    let (listener, dropped) = listen(&scratch.options());
    let opening = Message::json(&1).unwrap();
    for _ in 0..20 {
        // One thread waits for an item, another one gives the stream up, twice.
        let stream = Arc::new(ItemStream::post(&clock(), &opening, &scratch.options()).unwrap());
        assert_eq!(stream.next(None).unwrap(), Some(Message::json(&0).unwrap()));
        let waits = std::thread::spawn({
            let stream = Arc::clone(&stream);
            move || stream.next(None).unwrap()
        });
        stream.close();
        stream.close();
        assert_eq!(waits.join().unwrap(), None);
        dropped.recv_timeout(HANGS).expect("the handler hears that its caller has left");
        // By its end of scope, with an item that was not taken; and before it was accepted.
        drop(post_stream(&clock(), &Message::json(&1000).unwrap(), &scratch.options()).unwrap());
        dropped.recv_timeout(HANGS).expect("the handler hears that its caller has left");
        let begun = ItemStream::begin(&clock(), &opening, &scratch.options()).unwrap();
        begun.close();
        assert!(begun.is_over());
    }
    listener.close().unwrap();
    let counters = listener.counters();
    assert_eq!((counters.streams, counters.in_flight, counters.abandoned, counters.malformed), (0, 0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_dropped_with_its_stream_gives_it_up() {
    let scratch = Scratch::new();
    let (listener, dropped) = listen(&scratch.options());
    for _ in 0..20 {
        let mut stream = simple_ipc::post_uds_stream_with::<u32>("clock", 1, &scratch.options()).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), 0);
        let waits = tokio::spawn(async move { stream.next().await.is_none() });
        tokio::task::yield_now().await;
        waits.abort();
        assert!(waits.await.unwrap_err().is_cancelled());
        dropped.recv_timeout(HANGS).expect("the handler hears that its caller has left");
    }
    tokio::task::spawn_blocking(move || listener.close()).await.unwrap().unwrap();
}
