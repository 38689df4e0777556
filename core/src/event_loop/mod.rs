//! Calls for event loops: nothing here waits unless it is asked to, and no thread is started.
//!
//! A [`Queue`] has any number of calls under way, to any number of channels. One descriptor tells when
//! there is something to do, the passing of time included: watch it for reading with whatever the
//! program has (an event loop, `poll`, `epoll`), and call [`Queue::process`] when it is readable. Or
//! let [`Queue::wait`] wait. All of it happens in the calling thread.
//!
//! ```
//! # let directory = tempfile::tempdir().unwrap();
//! # let options = simple_ipc::Options::new().directory(directory.path());
//! use simple_ipc::event_loop::Queue;
//! use simple_ipc::{Channel, Message, Mode, blocking};
//!
//! let _listener = blocking::listen_uds_request_with("sums", &options, |n: u32| Ok(n + 1))?;
//! let channel = Channel::uds("sums")?;
//! let mut queue = Queue::new()?;
//! for n in 0..3 {
//!     queue.post(&channel, Mode::Request, Message::json(&n)?, &options)?;
//! }
//! let mut answers = Vec::new();
//! while queue.under_way() > 0 {
//!     queue.wait(None)?;
//!     queue.process(&mut answers)?;
//! }
//! let mut sums = Vec::new();
//! for answer in answers {
//!     sums.push(answer.result?.expect("a request has an answer").decode::<u32>()?);
//! }
//! sums.sort();
//! assert_eq!(sums, [1, 2, 3]);
//! # Ok::<(), simple_ipc::Error>(())
//! ```
//!
//! Calls go out together: the first on a session that has nothing under way is sent at once, those that
//! follow gather until [`Queue::submit`], [`Queue::process`] or [`Queue::wait`], or until 64 KiB have
//! gathered, 2 KiB where the listener seems to work on another core meanwhile. A caller that returns to
//! its event loop calls `submit` first if [`Queue::has_unsent`] says so.

mod call;
mod closer;
mod driving;
mod exchange;
mod own_poller;
mod receiving;
mod sending;
mod session;
mod starting;
mod stream;
mod subscription;
mod timing;
mod told;
mod waiting;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use self::call::{Call, Id, Slots, What};
pub use self::call::{ClientId, Ticket};
pub use self::closer::Closer;
pub use self::driving::Next;
use self::session::Session;
pub use self::stream::ItemStream;
pub use self::subscription::Subscription;
use crate::cancellation::{self, Cancellation};
use crate::channel::Channel;
use crate::client::deno::Exchange;
use crate::client::post;
use crate::client::target::{Key, Target};
use crate::client::{closed, deadline};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;
pub use crate::item::NextItem;
use crate::message::{Message, MessageRef};
use crate::mode::Mode;
use crate::options::Options;
use crate::os::fork;
use crate::os::poller::{self, Poller};
use crate::session::spin_wait::SpinWait;

/// How long a queue that is dropped tries to get rid of broadcasts that have gathered.
const FAREWELL: Duration = Duration::from_secs(1);

/// The most bodies whose memory is kept for the next, and the most bytes of each.
const MOST_SPARE: usize = 128;
const MOST_SPARE_BYTES: usize = 512;

/// What a call came to.
#[derive(Debug)]
pub struct Completion {
    /// The call.
    pub ticket: Ticket,
    /// The answer to a request; `None` for what has no answer.
    pub result: Result<Option<Message>>,
}

/// Calls under way. Used by one thread at a time; may move between threads.
pub struct Queue {
    poller: Poller,
    born: u32,
    calls: Slots<Call>,
    transports: Slots<Transport>,
    clients: Slots<Client>,
    /// Sessions for one-shot posts.
    shared: FxHashMap<Key, Id>,
    /// Sessions that have something to send.
    unsent: Vec<Id>,
    done: Vec<Completion>,
    /// Memory of small bodies that nobody needs any more.
    spare: Vec<Vec<u8>>,
    /// When a call has something to do by itself.
    due: Option<Instant>,
    /// [`wake`](Queue::wake) was called after the last [`process`](Queue::process).
    is_woken: bool,
    /// The bell was rung, of which nobody has been told yet.
    is_rung: bool,
    /// Sessions where something is there that the poller does not tell of.
    unread: Vec<Id>,
    waiter: Option<SpinWait>,
    /// Listeners seem to work at the same time as this thread, on other cores.
    beside: bool,
}

/// Ends the waits of a [`Queue`], from any thread: for what its thread does besides the calls, as
/// [`Inbox::run`](crate::blocking::Inbox::run). Clones are the same one.
#[derive(Clone, Debug)]
pub struct Bell(poller::Bell);

impl Bell {
    /// Has the queue's descriptor become readable, and a [`Queue::wait`] return, until the next [`Queue::process`]. Costs a
    /// system call and waits for nothing. Does nothing in a forked child, and where the queue is gone.
    pub fn ring(&self) {
        self.0.ring();
    }
}

/// Tells when a [`Queue`] has something to do. It belongs to a thread that drives the queue while other threads put calls
/// into it, each under the program's own lock, which the driving thread does not hold while it waits here.
#[derive(Debug)]
pub struct Readiness {
    poller: poller::Readiness,
    born: u32,
}

impl Readiness {
    /// Waits in the calling thread, without limit, until [`Queue::process`] has something to do. May return early.
    pub fn wait(&self) -> Result<()> {
        fork::check(self.born, "queue")?;
        match self.poller.wait(None) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::from_os("cannot wait for the calls under way", error)),
        }
    }
}

enum Transport {
    Session(Box<Session>),
    Exchange(Box<Exchange>, Ticket),
}

struct Client {
    target: Arc<Target<'static>>,
    session: Option<Id>,
    /// What went wrong with broadcasts, where it has not been said yet.
    one_way_error: Option<Error>,
}

impl Queue {
    /// An empty queue: two descriptors.
    pub fn new() -> Result<Queue> {
        let poller = Poller::new().map_err(|error| Error::from_os("cannot make a queue of calls", error))?;
        Ok(Queue {
            poller,
            born: fork::generation(),
            calls: Slots::new(),
            transports: Slots::new(),
            clients: Slots::new(),
            shared: FxHashMap::default(),
            unsent: Vec::new(),
            done: Vec::new(),
            spare: Vec::new(),
            due: None,
            is_woken: false,
            is_rung: false,
            unread: Vec::new(),
            waiter: Some(SpinWait::new(Options::new().spin)),
            beside: false,
        })
    }

    /// How long [`wait`](Queue::wait) polls before it blocks, where polling has lately paid; zero never.
    /// As [`Options::spin`].
    pub fn set_spin(&mut self, spin: Duration) {
        self.waiter = Some(SpinWait::new(spin));
    }

    /// Posts one message to any channel. A broadcast is done when the handler has it.
    ///
    /// Fails at once where that is clear at once: the message is too large, nobody listens.
    pub fn post(&mut self, channel: &Channel, mode: Mode, message: Message, options: &Options) -> Result<Ticket> {
        let what = match mode {
            Mode::Request => What::Request,
            Mode::Broadcast => What::Broadcast,
            Mode::Publish => return Err(post::nothing_is_posted()),
        };
        fork::check(self.born, "queue")?;
        given_up_by_ticket(options.cancellation.as_ref())?;
        let target = Arc::new(Target::new(channel, options)?.into_owned());
        target.named(target.check_body(&message))?;
        let ticket = self.begin(what, target, None, Some(message), options.timeout);
        self.settled(ticket)
    }

    /// Opens a client: a session of its own, on which messages keep their order. The ticket is done
    /// when it is known that somebody listens.
    pub fn connect(&mut self, channel: &Channel, options: &Options) -> Result<(ClientId, Ticket)> {
        fork::check(self.born, "queue")?;
        given_up_by_ticket(options.cancellation.as_ref())?;
        let target = Arc::new(Target::new(channel, options)?.into_owned());
        let client =
            ClientId(self.clients.insert(Client { target: Arc::clone(&target), session: None, one_way_error: None }));
        let ticket = self.begin(What::Meet, target, Some(client), None, options.timeout);
        match self.settled(ticket) {
            Ok(ticket) => Ok((client, ticket)),
            Err(error) => {
                self.clients.remove(client.0);
                Err(error)
            }
        }
    }

    /// A message with a copy of this body, in memory that earlier small ones of this queue have left.
    #[inline]
    pub fn copy(&mut self, body: MessageRef<'_>) -> Message {
        let mut data = if body.len() <= MOST_SPARE_BYTES { self.spare.pop() } else { None }.unwrap_or_default();
        data.extend_from_slice(body.data());
        Message::from_parts(body.kind(), data)
    }

    /// Takes the memory of a message back that nobody needs any more, for later ones of this queue, where that is small and there
    /// is not enough already.
    #[inline]
    pub fn recycle(&mut self, message: Message) {
        starting::keep_spare(&mut self.spare, Some(message));
    }

    /// Sends a request, which may take `timeout`; `None` is without limit.
    pub fn request(&mut self, client: ClientId, message: Message, timeout: Option<Duration>) -> Result<Ticket> {
        fork::check(self.born, "queue")?;
        match self.request_at_hand(client, (&message).into(), Some(timeout)) {
            Some(sent) => Ok(self.note_request(client, sent, message)),
            None => self.on_client(client, What::Request, Some(message), timeout),
        }
    }

    /// As [`request`](Queue::request), with a [copy](Queue::copy) of a body that lies elsewhere; with `None` for a timeout it
    /// may take as long as the client's options say.
    pub fn request_copied(
        &mut self,
        client: ClientId,
        body: MessageRef<'_>,
        timeout: Option<Option<Duration>>,
    ) -> Result<Ticket> {
        fork::check(self.born, "queue")?;
        match self.request_at_hand(client, body, timeout) {
            Some(sent) => {
                let message = self.copy(body);
                Ok(self.note_request(client, sent, message))
            }
            None => {
                let timeout = timeout.map_or_else(|| self.timeout(client), Ok)?;
                let message = self.copy(body);
                self.on_client(client, What::Request, Some(message), timeout)
            }
        }
    }

    /// Sends a message that nobody answers. `None`: it is on its way already, or waits with others for
    /// the next [`submit`](Queue::submit). [`flush`](Queue::flush) makes sure of all.
    pub fn broadcast(&mut self, client: ClientId, message: Message) -> Result<Option<Ticket>> {
        let timeout = self.client(client)?.options.timeout;
        let ticket = self.on_client(client, What::OneWay, Some(message), timeout)?;
        match self.done.iter().rposition(|completion| completion.ticket == ticket) {
            Some(index) => {
                self.done.remove(index);
                Ok(None)
            }
            None => Ok(Some(ticket)),
        }
    }

    /// Done when the handler has every broadcast of this client that was sent before.
    pub fn flush(&mut self, client: ClientId) -> Result<Ticket> {
        self.flush_with(client, &cancellation::Call::new())
    }

    /// As [`flush`](Queue::flush), with a timeout of its own.
    pub fn flush_with(&mut self, client: ClientId, call: &cancellation::Call) -> Result<Ticket> {
        let timeout = self.time_for(client, call)?;
        self.on_client(client, What::Flush, None, timeout)
    }

    /// Done when the listener has answered.
    pub fn ping(&mut self, client: ClientId) -> Result<Ticket> {
        self.ping_with(client, &cancellation::Call::new())
    }

    /// As [`ping`](Queue::ping), with a timeout of its own.
    pub fn ping_with(&mut self, client: ClientId, call: &cancellation::Call) -> Result<Ticket> {
        let timeout = self.time_for(client, call)?;
        self.on_client(client, What::Ping, None, timeout)
    }

    /// Ends the client's calls, flushes, and closes: the client is gone when the ticket is done.
    ///
    /// Requests, pings and what waits for a listener end with [`ErrorKind::Cancelled`], and a handler that has such a
    /// request is told. Broadcasts that wait for room on the session, and flushes, come to their end first.
    pub fn close(&mut self, client: ClientId) -> Result<Ticket> {
        self.close_with(client, &cancellation::Call::new())
    }

    /// As [`close`](Queue::close), with a timeout of its own. When it is over, the client is gone all the same.
    pub fn close_with(&mut self, client: ClientId, call: &cancellation::Call) -> Result<Ticket> {
        let timeout = self.time_for(client, call)?;
        self.end_calls(client);
        self.on_client(client, What::Close, None, timeout)
    }

    /// Closes a client without waiting for anything. Calls of it that are under way get their answers,
    /// and what it has sent is on its way, but nobody hears what became of broadcasts.
    pub fn abandon(&mut self, client: ClientId) {
        let Some(session) = self.clients.remove(client.0).and_then(|client| client.session) else { return };
        self.release(session);
        self.rearm();
    }

    /// Gives a call up: it gets no completion, and a handler that has the request is told. `false` if
    /// it is not under way: it never was, or [`process`](Queue::process) has given its completion.
    pub fn cancel(&mut self, ticket: Ticket) -> bool {
        if fork::check(self.born, "queue").is_err() {
            return false;
        }
        let before = self.under_way();
        self.done.retain(|completion| completion.ticket != ticket);
        drop(self.withdraw(ticket));
        let was_under_way = self.under_way() < before;
        self.submit();
        was_under_way
    }

    /// How long a client's requests may take unless told otherwise; `None` is without limit.
    pub fn timeout(&self, client: ClientId) -> Result<Option<Duration>> {
        fork::check(self.born, "queue")?;
        self.clients.get(client.0).map(|client| client.target.options.timeout).ok_or_else(closed)
    }

    /// The options of a stream that this client opens: its own, and in their place those that are given.
    pub fn stream_options(&self, client: ClientId, given: Option<&Options>) -> Result<Options> {
        self.client(client).map(|target| target.options.for_stream(given))
    }

    /// How many calls are under way, or done and not yet taken by [`process`](Queue::process).
    pub fn under_way(&self) -> usize {
        self.calls.len() + self.done.len()
    }

    /// The process that may use the queue: a forked child of it may not.
    pub fn made_in(&self) -> fork::Process {
        fork::Process::of(self.born)
    }

    /// Whether something has gathered that [`submit`](Queue::submit) would send.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends what has gathered.
    pub fn submit(&mut self) {
        if self.born != fork::generation() {
            return; // The parent sends it; the descriptors may have other owners here.
        }
        self.send_gathered();
        self.rearm();
    }

    /// What tells another thread that there is something to do.
    pub fn readiness(&self) -> Result<Readiness> {
        fork::check(self.born, "queue")?;
        Ok(Readiness { poller: self.poller.readiness(), born: self.born })
    }

    /// What ends this queue's waits from other threads. The first call makes it, which takes a descriptor.
    pub fn bell(&mut self) -> Result<Bell> {
        fork::check(self.born, "queue")?;
        let bell = self.poller.bell();
        bell.map(Bell).map_err(|error| Error::from_os("cannot have a queue woken by other threads", error))
    }

    /// Has the descriptor become readable, until the next [`process`](Queue::process): for a thread that waits at it and is
    /// to look after something besides.
    pub fn wake(&mut self) {
        if self.born == fork::generation() {
            self.is_woken = true;
            self.rearm();
        }
    }

    /// Does what there is to do without waiting, and moves what is done to `completions`.
    pub fn process(&mut self, completions: &mut Vec<Completion>) -> Result<()> {
        fork::check(self.born, "queue")?;
        self.is_woken = false;
        self.progress()?;
        if completions.is_empty() {
            std::mem::swap(completions, &mut self.done);
        } else {
            completions.append(&mut self.done);
        }
        self.is_rung = false;
        self.rearm();
        // Some systems learn here that nothing is to be told any more.
        let _the_time_stays = self.poller.arm(self.poller.armed());
        Ok(())
    }

    /// Waits in the calling thread, at most for `timeout`, until [`process`](Queue::process) has
    /// something to give, or the [bell](Queue::bell) is rung. Sends what has gathered first.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<()> {
        fork::check(self.born, "queue")?;
        let until = deadline(timeout);
        let mut waiter = self.waiter.take().unwrap_or_else(|| SpinWait::new(Duration::ZERO));
        let waited = self.wait_with(&mut waiter, until);
        self.beside = waiter.pays();
        self.waiter = Some(waiter);
        waited
    }

    fn wait_with(&mut self, waiter: &mut SpinWait, until: Option<Instant>) -> Result<()> {
        loop {
            self.progress()?;
            if self.has_news() {
                return Ok(());
            }
            let mut failed = None;
            let waited = waiter.receive(|wait| {
                if wait == crate::os::stream::Wait::Yes {
                    if !self.unread.is_empty() {
                        // The poller does not tell of what is left there.
                        return Ok(true);
                    }
                    // The looks while it polled may have set an earlier time.
                    self.rearm();
                    return self.poller.wait(interrupt::piece(interrupt::left(until)));
                }
                if let Err(error) = self.progress() {
                    failed = Some(error);
                    return Ok(true);
                }
                if self.has_news() { Ok(true) } else { Err(std::io::ErrorKind::WouldBlock.into()) }
            });
            match (failed, waited) {
                (Some(error), _) => return Err(error),
                (None, Ok(true)) => {}
                (None, Ok(false)) if interrupt::wants_end() => return Err(interrupt::error()),
                (None, Ok(false)) if until.is_some_and(|until| Instant::now() >= until) => return Ok(()),
                (None, Ok(false)) => {}
                (None, Err(error)) => return Err(Error::from_os("cannot wait for the calls under way", error)),
            }
        }
    }

    /// Whether whoever waits has something to look at.
    fn has_news(&self) -> bool {
        self.is_rung || !self.done.is_empty()
    }

    fn client(&self, client: ClientId) -> Result<Arc<Target<'static>>> {
        fork::check(self.born, "queue")?;
        self.clients.get(client.0).map(|client| Arc::clone(&client.target)).ok_or_else(closed)
    }

    /// How long a call of a client may take.
    fn time_for(&self, client: ClientId, call: &cancellation::Call) -> Result<Option<Duration>> {
        given_up_by_ticket(call.cancellation.as_ref())?;
        Ok(call.timeout_or(self.client(client)?.options.timeout))
    }

    fn on_client(
        &mut self,
        id: ClientId,
        what: What,
        body: Option<Message>,
        timeout: Option<Duration>,
    ) -> Result<Ticket> {
        let target = self.client(id)?;
        if let Some(message) = &body {
            target.named(target.check_body(message))?;
        }
        // What became of earlier broadcasts is said before anything else is sent; of a client that closes, at
        // its end.
        if !matches!(what, What::Close)
            && let Some(error) = self.take_one_way_error(id)
        {
            return Err(error.on_channel(&target.channel));
        }
        let ticket = self.begin(what, target, Some(id), body, timeout);
        self.settled(ticket)
    }

    fn take_one_way_error(&mut self, client: ClientId) -> Option<Error> {
        let client = self.clients.get_mut(client.0)?;
        if client.one_way_error.is_some() {
            return client.one_way_error.take();
        }
        match self.transports.get_mut(client.session?) {
            Some(Transport::Session(session)) => {
                session.connection.take_one_way_error().or_else(|| session.connection.retire())
            }
            _ => None,
        }
    }

    /// What a call that has just begun is to its caller: failed, or under way.
    fn settled(&mut self, ticket: Ticket) -> Result<Ticket> {
        let at = self.done.iter().rposition(|completion| completion.ticket == ticket);
        if let Some(index) = at
            && self.done[index].result.is_err()
        {
            let failed = self.done.remove(index);
            self.rearm();
            return failed.result.map(|_| ticket);
        }
        self.rearm();
        Ok(ticket)
    }
}

/// A queue belongs to one thread, which nothing would wake.
fn given_up_by_ticket(cancellation: Option<&Cancellation>) -> Result<()> {
    match cancellation {
        None => Ok(()),
        Some(_) => Err(Error::new(
            ErrorKind::InvalidArgument,
            "a queue's calls are given up by their tickets and take no cancellation; call cancel with the ticket",
        )),
    }
}

waitable!(Queue, poller);

impl Drop for Queue {
    fn drop(&mut self) {
        if self.born != fork::generation() {
            return; // Its descriptors were the parent's, and are closed.
        }
        // Requests end with their sessions, and their handlers are told. Broadcasts were promised to
        // be sent.
        let until = Instant::now() + FAREWELL;
        let ids: Vec<Id> = self.transports.iter().map(|(id, _)| id).collect();
        for id in ids {
            if let Some(Transport::Session(mut session)) = self.remove(id) {
                session.send_until(until);
                session.leave();
            }
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("under_way", &self.under_way()).finish_non_exhaustive()
    }
}
