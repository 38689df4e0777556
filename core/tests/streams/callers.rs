//! What every kind of caller can do.

use serde_json::{Value, json};
use simple_ipc::event_loop::{self, NextItem};
use simple_ipc::{Channel, Error, ErrorKind, Message, Options, blocking};
use tokio::runtime::Runtime;

/// One kind of caller, on its stream. None of them waits for ever: the watchdog ends what hangs.
pub(crate) trait Caller: Sized {
    const NAME: &'static str;
    fn open(channel: &Channel, opening: &Message, options: &Options) -> Result<Self, Error>;
    /// The next item; `None` is the end.
    fn next(&mut self) -> Result<Option<Message>, Error>;
    fn send(&mut self, item: &Message) -> Result<(), Error>;
    fn end(&mut self) -> Result<(), Error>;
    fn close(&mut self);
}

pub(crate) fn opening(value: Value) -> Message {
    Message::json(&value).unwrap()
}

/// How many items there are until the end, or until an error, and whether they are in order.
pub(crate) fn drain<C: Caller>(caller: &mut C, size: usize) -> (usize, Result<(), Error>) {
    for nth in 0.. {
        match caller.next() {
            Ok(Some(item)) => {
                assert_eq!(item.decode::<String>().unwrap(), crate::serving::item(nth, size), "{}", C::NAME)
            }
            Ok(None) => return (nth, Ok(())),
            Err(error) => return (nth, Err(error)),
        }
    }
    unreachable!("it counts for ever")
}

/// What has failed fails again, or is at its end where the error was the last item.
pub(crate) fn stays_over<C: Caller>(caller: &mut C, kind: ErrorKind) {
    match caller.next() {
        Ok(item) => assert!(item.is_none(), "{}", C::NAME),
        Err(error) => assert_eq!(error.kind(), kind, "{}", C::NAME),
    }
}

pub(crate) fn count(n: usize, size: usize) -> Message {
    opening(json!({"do": "count", "n": n, "size": size}))
}

pub(crate) struct Thread(pub(crate) blocking::ItemStream);

impl Caller for Thread {
    const NAME: &'static str = "thread";

    fn open(channel: &Channel, opening: &Message, options: &Options) -> Result<Thread, Error> {
        blocking::post_stream(channel, opening, options).map(Thread)
    }

    fn next(&mut self) -> Result<Option<Message>, Error> {
        self.0.next().transpose()
    }

    fn send(&mut self, item: &Message) -> Result<(), Error> {
        self.0.send_message(item)
    }

    fn end(&mut self) -> Result<(), Error> {
        self.0.end()
    }

    fn close(&mut self) {
        self.0.close();
    }
}

pub(crate) struct Task(Option<simple_ipc::ItemStream>, Runtime);

impl Caller for Task {
    const NAME: &'static str = "task";

    fn open(channel: &Channel, opening: &Message, options: &Options) -> Result<Task, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stream = runtime.block_on(simple_ipc::post_stream(channel, opening, options))?;
        Ok(Task(Some(stream), runtime))
    }

    fn next(&mut self) -> Result<Option<Message>, Error> {
        self.1.block_on(self.0.as_mut().unwrap().next()).transpose()
    }

    fn send(&mut self, item: &Message) -> Result<(), Error> {
        self.1.block_on(self.0.as_ref().unwrap().send_message(item))
    }

    fn end(&mut self) -> Result<(), Error> {
        self.0.as_ref().unwrap().end()
    }

    fn close(&mut self) {
        self.0.as_ref().unwrap().close();
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let _in_the_runtime = self.1.enter();
        self.0 = None;
    }
}

/// Acts only when its descriptor is readable.
pub(crate) struct EventLoop(pub(crate) event_loop::ItemStream);

impl EventLoop {
    fn until<T>(&self, mut look: impl FnMut() -> Result<Option<T>, Error>) -> Result<T, Error> {
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            assert!(self.0.wait(None)?);
        }
    }
}

impl Caller for EventLoop {
    const NAME: &'static str = "event loop";

    fn open(channel: &Channel, opening: &Message, options: &Options) -> Result<EventLoop, Error> {
        let stream = EventLoop(event_loop::ItemStream::begin(channel, opening, options)?);
        stream.until(|| Ok(stream.0.is_accepted()?.then_some(())))?;
        Ok(stream)
    }

    fn next(&mut self) -> Result<Option<Message>, Error> {
        self.until(|| {
            Ok(match self.0.try_next()? {
                NextItem::Item(item) => Some(Some(item)),
                NextItem::Ended => Some(None),
                _ => None,
            })
        })
    }

    fn send(&mut self, item: &Message) -> Result<(), Error> {
        self.until(|| Ok(self.0.try_send(item)?.then_some(())))?;
        self.until(|| Ok(self.0.is_flushed()?.then_some(())))
    }

    fn end(&mut self) -> Result<(), Error> {
        self.0.end()
    }

    fn close(&mut self) {
        self.0.close();
    }
}

/// Makes a test for each kind of caller out of a function that is generic over them.
macro_rules! for_each_caller {
    ($($test:ident)*) => {
        mod thread {
            $(#[test] fn $test() { super::$test::<crate::callers::Thread>(); })*
        }
        mod task {
            $(#[test] fn $test() { super::$test::<crate::callers::Task>(); })*
        }
        mod event_loop {
            $(#[test] fn $test() { super::$test::<crate::callers::EventLoop>(); })*
        }
    };
}
pub(crate) use for_each_caller;
