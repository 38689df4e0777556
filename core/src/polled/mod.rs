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
//! use simple_ipc::polled::Queue;
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
//! gathered. A caller that returns to its event loop calls `submit` first if
//! [`Queue::has_unsent`] says so.

mod call;
mod link;

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use self::call::{Call, Id, Key, Slots, State, Target, What};
pub use self::call::{ClientId, Ticket};
use self::link::{Body, Link, Room};
use crate::channel::Channel;
use crate::client::connect::{Connected, Connecting, LONGEST_PAUSE, Presence, Step, presence};
use crate::client::deno::{Exchange, Progress};
use crate::client::ledger::{Answers, Reply};
use crate::client::post::{TRIES, address};
use crate::client::{Attempt, Failed, check_size, closed, deadline, no_ping, timed_out, too_large};
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;
use crate::message::Message;
use crate::options::{Options, Wire};
use crate::protocol::frame::{ACK_WANTED, Header, Kind};
use crate::server::Mode;
use crate::transport::fork;
use crate::transport::lock::{Probe, probe};
use crate::transport::readiness::Readiness;
use crate::transport::socket::Socket;
use crate::transport::wait::Waiter;

/// How long a queue that is dropped tries to get rid of broadcasts that have gathered.
const FAREWELL: Duration = Duration::from_secs(1);

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
    readiness: Readiness,
    born: u32,
    calls: Slots<Call>,
    connections: Slots<Connection>,
    clients: Slots<Client>,
    /// Sessions for one-shot posts.
    shared: HashMap<Key, Id>,
    /// Links that have something to send.
    unsent: Vec<Id>,
    done: Vec<Completion>,
    /// When a call has something to do by itself.
    due: Option<Instant>,
    waiter: Option<Waiter>,
}

enum Connection {
    Link(Box<Link>),
    Exchange(Box<Exchange>, Ticket),
}

struct Client {
    target: Arc<Target>,
    link: Option<Id>,
    /// What went wrong with broadcasts, where it has not been said yet.
    cast_error: Option<Error>,
}

impl Queue {
    /// An empty queue: two descriptors.
    pub fn new() -> Result<Queue> {
        let readiness = Readiness::new().map_err(|error| Error::from_os("cannot make a queue of calls", error))?;
        Ok(Queue {
            readiness,
            born: fork::generation(),
            calls: Slots::new(),
            connections: Slots::new(),
            clients: Slots::new(),
            shared: HashMap::new(),
            unsent: Vec::new(),
            done: Vec::new(),
            due: None,
            waiter: Some(Waiter::new(Options::new().spin)),
        })
    }

    /// How long [`wait`](Queue::wait) polls before it blocks, where polling has lately paid; zero never.
    /// As [`Options::spin`].
    pub fn set_spin(&mut self, spin: Duration) {
        self.waiter = Some(Waiter::new(spin));
    }

    /// Posts one message to any channel. A broadcast is done when the handler has it.
    ///
    /// Fails at once where that is clear at once: the message is too large, nobody listens.
    pub fn post(&mut self, channel: &Channel, mode: Mode, message: Message, options: &Options) -> Result<Ticket> {
        let what = match mode {
            Mode::Request => What::Request,
            Mode::Broadcast => What::Broadcast,
        };
        fork::check(self.born, "queue")?;
        options.check()?;
        check_size(&message, options)?;
        let target = self.target(channel, options)?;
        let ticket = self.begin(what, target, None, Body::Own(message), options.timeout);
        self.settled(ticket)
    }

    /// Opens a client: a session of its own, on which messages keep their order. The ticket is done
    /// when it is known that somebody listens.
    pub fn connect(&mut self, channel: &Channel, options: &Options) -> Result<(ClientId, Ticket)> {
        fork::check(self.born, "queue")?;
        options.check()?;
        let target = self.target(channel, options)?;
        let client =
            ClientId(self.clients.insert(Client { target: Arc::clone(&target), link: None, cast_error: None }));
        let ticket = self.begin(What::Meet(Instant::now()), target, Some(client), Body::None, options.timeout);
        match self.settled(ticket) {
            Ok(ticket) => Ok((client, ticket)),
            Err(error) => {
                self.clients.remove(client.0);
                Err(error)
            }
        }
    }

    /// Sends a request, which may take `timeout`; `None` is without limit.
    pub fn request(&mut self, client: ClientId, message: Message, timeout: Option<Duration>) -> Result<Ticket> {
        self.on_client(client, What::Request, Body::Own(message), timeout)
    }

    /// Sends a message that nobody answers. `None`: it is on its way already, or waits with others for
    /// the next [`submit`](Queue::submit). [`flush`](Queue::flush) makes sure of all.
    pub fn broadcast(&mut self, client: ClientId, message: Message) -> Result<Option<Ticket>> {
        let timeout = self.client(client)?.options.timeout;
        let ticket = self.on_client(client, What::Cast, Body::Own(message), timeout)?;
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
        let timeout = self.client(client)?.options.timeout;
        self.on_client(client, What::Flush(0), Body::None, timeout)
    }

    /// Done when the listener has answered.
    pub fn ping(&mut self, client: ClientId) -> Result<Ticket> {
        let target = self.client(client)?;
        let native = || matches!(probe(&target.address), Probe::Held(_));
        if target.options.wire == Wire::Deno || (target.options.wire == Wire::Auto && !native()) {
            return Err(no_ping());
        }
        self.on_client(client, What::Ping, Body::None, target.options.timeout)
    }

    /// Flushes, and closes: the client is gone when the ticket is done. Calls of it that are still under
    /// way get their answers.
    pub fn close(&mut self, client: ClientId) -> Result<Ticket> {
        let timeout = self.client(client)?.options.timeout;
        self.on_client(client, What::Close(0), Body::None, timeout)
    }

    /// Closes a client without waiting for anything. Calls of it that are under way get their answers,
    /// and what it has sent is on its way, but nobody hears what became of broadcasts.
    pub fn abandon(&mut self, client: ClientId) {
        let Some(link) = self.clients.remove(client.0).and_then(|client| client.link) else { return };
        self.desert(link);
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
        self.client(client).map(|target| target.options.timeout)
    }

    /// How many calls are under way, or done and not yet taken by [`process`](Queue::process).
    pub fn under_way(&self) -> usize {
        self.calls.len() + self.done.len()
    }

    /// Whether something has gathered that [`submit`](Queue::submit) would send.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends what has gathered.
    pub fn submit(&mut self) {
        while let Some(id) = self.unsent.pop() {
            self.send(id);
        }
        self.rearm();
    }

    /// Does what there is to do without waiting, and moves what is done to `completions`.
    pub fn process(&mut self, completions: &mut Vec<Completion>) -> Result<()> {
        fork::check(self.born, "queue")?;
        self.progress()?;
        completions.append(&mut self.done);
        self.rearm();
        Ok(())
    }

    /// Waits in the calling thread, at most for `timeout`, until [`process`](Queue::process) has
    /// something to give. Sends what has gathered first.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<()> {
        fork::check(self.born, "queue")?;
        let until = deadline(timeout);
        let mut waiter = self.waiter.take().unwrap_or_else(|| Waiter::new(Duration::ZERO));
        let waited = self.wait_with(&mut waiter, until);
        self.waiter = Some(waiter);
        waited
    }

    fn wait_with(&mut self, waiter: &mut Waiter, until: Option<Instant>) -> Result<()> {
        loop {
            self.progress()?;
            if !self.done.is_empty() {
                return Ok(());
            }
            self.rearm();
            let mut failed = None;
            let waited = waiter.receive(|wait| {
                if wait == crate::transport::socket::Wait::Yes {
                    return self.readiness.wait(interrupt::piece(interrupt::left(until)));
                }
                if let Err(error) = self.progress() {
                    failed = Some(error);
                    return Ok(true);
                }
                if self.done.is_empty() { Err(std::io::ErrorKind::WouldBlock.into()) } else { Ok(true) }
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

    fn target(&mut self, channel: &Channel, options: &Options) -> Result<Arc<Target>> {
        let address = address(channel, options)?;
        Ok(Arc::new(Target { channel: channel.clone(), address, options: options.clone() }))
    }

    fn client(&self, client: ClientId) -> Result<Arc<Target>> {
        fork::check(self.born, "queue")?;
        self.clients.get(client.0).map(|client| Arc::clone(&client.target)).ok_or_else(closed)
    }

    fn on_client(&mut self, id: ClientId, what: What, body: Body, timeout: Option<Duration>) -> Result<Ticket> {
        let target = self.client(id)?;
        if let Some(message) = body.message() {
            check_size(message, &target.options)?;
        }
        // What became of earlier broadcasts is said before anything else is sent.
        if let Some(error) = self.take_cast_error(id)
            && !matches!(what, What::Close(_))
        {
            return Err(error.on_channel(&target.channel));
        }
        let ticket = self.begin(what, target, Some(id), body, timeout);
        self.settled(ticket)
    }

    fn take_cast_error(&mut self, client: ClientId) -> Option<Error> {
        let client = self.clients.get_mut(client.0)?;
        if client.cast_error.is_some() {
            return client.cast_error.take();
        }
        match self.connections.get_mut(client.link?) {
            Some(Connection::Link(link)) => link.ledger.take_cast_error(),
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

    fn begin(
        &mut self,
        what: What,
        target: Arc<Target>,
        client: Option<ClientId>,
        body: Body,
        timeout: Option<Duration>,
    ) -> Ticket {
        let ticket = Ticket(self.calls.insert(Call {
            what,
            target,
            client,
            body,
            timeout,
            deadline: None,
            wake: None,
            state: State::Starting,
            tries: 0,
            not_taken: None,
        }));
        self.start(ticket);
        ticket
    }

    /// Puts a call on the session that it belongs on, or has it look for one.
    fn start(&mut self, ticket: Ticket) {
        let Some(call) = self.calls.get_mut(ticket.0) else { return };
        call.state = State::Starting;
        if call.client.is_some_and(|client| self.clients.get(client.0).is_none()) {
            let error = call.not_taken.take().unwrap_or_else(closed);
            return self.finish(ticket, Err(error));
        }
        if let What::Meet(began) = call.what {
            let target = Arc::clone(&call.target);
            match presence(&target.channel, &target.address, &target.options) {
                Ok(Presence::Native) => {}
                Ok(Presence::Other) => return self.finish(ticket, Ok(None)),
                Err(error) if began.elapsed() >= target.options.wait => return self.finish(ticket, Err(error)),
                Err(_) => {
                    let wake = Some(Instant::now() + LONGEST_PAUSE);
                    call.wake = wake;
                    return self.note_due(wake);
                }
            }
        }
        if let Some(link) = self.link_for(ticket) {
            return self.enqueue(ticket, link);
        }
        let Some(call) = self.calls.get_mut(ticket.0) else { return };
        if let What::Flush(_) | What::Close(_) = call.what {
            // Nothing was sent on a session that would still be there.
            return self.finish(ticket, Ok(None));
        }
        let until = deadline(call.target.options.timeout.map(|timeout| timeout + call.target.options.wait));
        call.state = State::Connecting(Connecting::new(until));
        self.connect_on(ticket);
    }

    /// The session that a call belongs on, if it is still good.
    fn link_for(&mut self, ticket: Ticket) -> Option<Id> {
        let call = self.calls.get(ticket.0)?;
        if call.target.options.wire == Wire::Deno {
            return None;
        }
        let id = match call.client {
            Some(client) => self.clients.get(client.0)?.link?,
            None => *self.shared.get(&call.target.key())?,
        };
        match self.connections.get(id) {
            Some(Connection::Link(link)) if link.ledger.is_open() => Some(id),
            // What the listener still answers on it is of no use to a new call, except to a flush.
            Some(Connection::Link(_)) if matches!(call.what, What::Flush(_) | What::Close(_)) => Some(id),
            _ => None,
        }
    }

    /// Goes on with a call that looks for a listener.
    fn connect_on(&mut self, ticket: Ticket) {
        // Another call may have made the session meanwhile.
        if let Some(link) = self.link_for(ticket) {
            return self.enqueue(ticket, link);
        }
        let Some(call) = self.calls.get_mut(ticket.0) else { return };
        let State::Connecting(connecting) = &mut call.state else { return };
        let target = Arc::clone(&call.target);
        match connecting.step(&target.channel, &target.address, &target.options) {
            Err(error) => self.finish(ticket, Err(error)),
            Ok(Step::Pause(pause)) => {
                let wake = Some(Instant::now() + pause);
                call.wake = wake;
                self.note_due(wake);
            }
            Ok(Step::Done(Connected::Native(socket))) => match self.add_link(ticket, socket) {
                Ok(link) => self.enqueue(ticket, link),
                Err(error) => self.finish(ticket, Err(error)),
            },
            Ok(Step::Done(Connected::Deno(socket))) => self.exchange(ticket, socket),
        }
    }

    fn add_link(&mut self, ticket: Ticket, socket: Socket) -> Result<Id> {
        let call = self.calls.get(ticket.0).expect("it is connecting");
        let link = Link::new(socket, call.target.options.max_message);
        let (client, key) = (call.client, call.target.key());
        let id = self.connections.insert(Connection::Link(Box::new(link)));
        let Some(Connection::Link(link)) = self.connections.get(id) else { unreachable!("it was just added") };
        if let Err(error) = self.readiness.watch(&link.socket, id.number(), false) {
            self.connections.remove(id);
            return Err(Error::from_os("cannot watch the connection", error));
        }
        match client {
            Some(client) => {
                if let Some(client) = self.clients.get_mut(client.0)
                    && let Some(before) = client.link.replace(id)
                {
                    self.desert(before);
                }
            }
            None => {
                if let Some(before) = self.shared.insert(key, id) {
                    self.desert(before);
                }
            }
        }
        Ok(id)
    }

    /// Puts a call in the line of a link.
    fn enqueue(&mut self, ticket: Ticket, id: Id) {
        let Some(call) = self.calls.get_mut(ticket.0) else { return };
        call.wake = None;
        if let What::Meet(_) = call.what {
            return self.finish(ticket, Ok(None));
        }
        let until = deadline(call.timeout);
        call.deadline = until;
        call.state = State::Queued;
        self.note_due(until);
        let Some(call) = self.calls.get(ticket.0) else { return };
        // Nobody answers a one-way message, so the first after a while had better not go to a listener
        // that has said goodbye where that has not been read yet.
        if let (What::Cast, Some(Connection::Link(link))) = (&call.what, self.connections.get(id))
            && !link.ledger.is_unconfirmed()
            && !link.ledger.is_waiting()
            && link.waiting.is_empty()
        {
            self.receive(id);
        }
        let Some(Connection::Link(link)) = self.connections.get_mut(id) else {
            return self.try_again(ticket, None);
        };
        link.waiting.push_back(ticket);
        self.pump(id, Some(ticket));
    }

    /// Sends what the link has room for of the calls in its line, which `fresh` has just joined.
    fn pump(&mut self, id: Id, fresh: Option<Ticket>) {
        loop {
            let Some(Connection::Link(link)) = self.connections.get_mut(id) else { return };
            let Some(&ticket) = link.waiting.front() else { return };
            let Some(call) = self.calls.get_mut(ticket.0) else {
                // It was given up.
                link.waiting.pop_front();
                continue;
            };
            let len = call.body.len();
            match link.room_for(len) {
                Room::Yes => {}
                Room::Later => {
                    // The hello has to go out before the listener says what it takes.
                    self.list(id);
                    return self.submit_link(id);
                }
                Room::Never(most) => {
                    link.waiting.pop_front();
                    self.finish(ticket, Err(too_large(len, most)));
                    continue;
                }
            }
            link.waiting.pop_front();
            let alone = !link.ledger.is_waiting() && link.waiting.is_empty();
            let begun = match &mut call.what {
                What::Cast => link.ledger.cast().map(|()| 0),
                What::Flush(sent) | What::Close(sent) => {
                    *sent = link.ledger.sent();
                    match link.ledger.is_unconfirmed().then(|| link.ledger.begin(0, ticket)) {
                        None => Ok(0),
                        Some(Ok(frame)) => Ok(frame),
                        Some(Err(failed)) => link.ledger.flushed(*sent, Err(failed)).map(|()| 0),
                    }
                }
                _ => link.ledger.begin(len, ticket),
            };
            let frame = match begun {
                Err(Failed::NotTaken(error)) if !matches!(call.what, What::Flush(_) | What::Close(_)) => {
                    self.try_again(ticket, Some(error));
                    continue;
                }
                Err(failed) => {
                    self.finish(ticket, Err(failed.into()));
                    continue;
                }
                Ok(frame) => frame,
            };
            if frame == 0 && !matches!(call.what, What::Cast) {
                // Nothing to make sure of.
                self.finish(ticket, Ok(None));
                continue;
            }
            let mut header = match (&call.what, call.body.message()) {
                (What::Request, Some(message)) => Header::of(Kind::Request, frame, message),
                (_, Some(message)) => Header::of(Kind::Broadcast, frame, message),
                (What::Ping, None) => Header::bare(Kind::Ping, frame),
                (_, None) => Header::bare(Kind::Ack, frame),
            };
            match call.what {
                What::Request => {
                    let left = if fresh == Some(ticket) { call.timeout } else { interrupt::left(call.deadline) };
                    header.timeout_ms =
                        left.map_or(0, |left| u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1));
                }
                What::Broadcast => header.flags |= ACK_WANTED,
                _ => {}
            }
            call.state = State::Sent(id, frame);
            link.add(&header, &mut call.body);
            let is_cast = matches!(call.what, What::Cast);
            let is_now = link.is_full() || (alone && !is_cast);
            self.list(id);
            if is_now {
                self.submit_link(id);
            }
            if is_cast {
                self.finish(ticket, Ok(None));
            }
        }
    }

    /// Notes that a link has something to send.
    fn list(&mut self, id: Id) {
        if let Some(Connection::Link(link)) = self.connections.get_mut(id)
            && !link.listed
            && !link.is_all_sent()
        {
            link.listed = true;
            self.unsent.push(id);
        }
    }

    fn submit_link(&mut self, id: Id) {
        if let Some(at) = self.unsent.iter().position(|listed| *listed == id) {
            self.unsent.swap_remove(at);
            self.send(id);
        }
    }

    /// Sends what a link has gathered, as far as the socket takes it.
    fn send(&mut self, id: Id) {
        let Some(Connection::Link(link)) = self.connections.get_mut(id) else { return };
        link.listed = false;
        link.send();
        let room = !link.is_all_sent();
        if room != link.watches_room {
            link.watches_room = room;
            if let Err(error) = self.readiness.watch_again(&link.socket, id.number(), room) {
                return self.end(id, &Error::from_os("cannot watch the connection", error));
            }
        }
        self.drop_if_over(id);
    }

    /// Posts one message on a connection of its own.
    fn exchange(&mut self, ticket: Ticket, socket: Socket) {
        let Some(call) = self.calls.get_mut(ticket.0) else { return };
        let Some(mode) = call.what.mode() else {
            let result = if matches!(call.what, What::Ping) { Err(no_ping()) } else { Ok(None) };
            return self.finish(ticket, result);
        };
        call.wake = None;
        let until = deadline(call.timeout);
        call.deadline = until;
        let exchange = Exchange::new(socket, mode, call.target.options.max_message);
        let id = self.connections.insert(Connection::Exchange(Box::new(exchange), ticket));
        call.state = State::Exchanging(id);
        self.note_due(until);
        let Some(Connection::Exchange(exchange, _)) = self.connections.get(id) else { unreachable!("just added") };
        let Some(socket) = exchange.socket() else { return };
        match self.readiness.watch(socket, id.number(), false) {
            Ok(()) => self.exchange_on(id),
            Err(error) => {
                self.remove(id);
                self.finish(ticket, Err(Error::from_os("cannot watch the connection", error)));
            }
        }
    }

    fn exchange_on(&mut self, id: Id) {
        let Some(Connection::Exchange(exchange, ticket)) = self.connections.get_mut(id) else { return };
        let ticket = *ticket;
        let Some(call) = self.calls.get(ticket.0) else { return };
        let message = call.body.message().expect("what goes over the Deno wire has a body");
        let result = match exchange.step(message.into()) {
            Ok(Progress::Wants(what)) => {
                let room = what.contains(PollFlags::OUT);
                let socket = exchange.socket().expect("it is not over");
                match self.readiness.watch_again(socket, id.number(), room) {
                    Ok(()) => return,
                    Err(error) => Err(Error::from_os("cannot watch the connection", error).after_sending()),
                }
            }
            Ok(Progress::Done(answer)) => Ok(answer),
            Err(error) => Err(error),
        };
        self.remove(id);
        self.finish(ticket, result);
    }

    /// Does all that can be done without waiting.
    fn progress(&mut self) -> Result<()> {
        while let Some(id) = self.unsent.pop() {
            self.send(id);
        }
        let mut tokens = Vec::new();
        self.readiness
            .ready(&mut tokens)
            .map_err(|error| Error::from_os("cannot look after the calls under way", error))?;
        for token in tokens {
            let id = Id::from_number(token);
            match self.connections.get(id) {
                Some(Connection::Link(link)) => {
                    if link.watches_room {
                        self.send(id);
                    }
                    self.receive(id);
                    self.pump(id, None);
                }
                Some(Connection::Exchange(..)) => self.exchange_on(id),
                None => {}
            }
        }
        if self.due.is_some_and(|due| Instant::now() >= due) {
            self.look_at_the_clock();
        }
        while let Some(id) = self.unsent.pop() {
            self.send(id);
        }
        Ok(())
    }

    /// Receives what a link has, and tells those whom it concerns.
    fn receive(&mut self, id: Id) {
        let Some(Connection::Link(link)) = self.connections.get_mut(id) else { return };
        let mut answers = Vec::new();
        let received = link.receive(&mut answers);
        self.list(id);
        self.tell(answers);
        if let Err(error) = received {
            self.end(id, &error);
        }
        self.drop_if_over(id);
    }

    fn tell(&mut self, answers: Answers<Ticket>) {
        for (ticket, answer) in answers {
            self.answered(ticket, answer);
        }
    }

    fn answered(&mut self, ticket: Ticket, answer: Attempt<Reply>) {
        let Some(call) = self.calls.get(ticket.0) else { return };
        let result: Attempt<Option<Message>> = match (&call.what, answer) {
            (What::Request, answer) => answer.and_then(Reply::into_message).map(Some),
            (What::Flush(sent) | What::Close(sent), answer) => {
                let State::Sent(id, _) = call.state else { return };
                match self.connections.get_mut(id) {
                    Some(Connection::Link(link)) => link.ledger.flushed(*sent, answer).map(|()| None),
                    _ => answer.map(|_| None),
                }
            }
            (_, answer) => answer.map(|_| None),
        };
        match result {
            // A flush that was not taken: what it was to make sure of went to the session that ended.
            Err(Failed::NotTaken(error)) if !matches!(call.what, What::Flush(_) | What::Close(_)) => {
                self.try_again(ticket, Some(error));
            }
            result => self.finish(ticket, result.map_err(Error::from)),
        }
    }

    /// A session is over.
    fn end(&mut self, id: Id, error: &Error) {
        let Some(Connection::Link(link)) = self.connections.get_mut(id) else { return };
        let mut answers = Vec::new();
        link.ledger.end(error, &mut answers);
        let waiting = std::mem::take(&mut link.waiting);
        // Before the link is gone: what a flush comes to is in its books.
        self.tell(answers);
        if let Some(Connection::Link(mut link)) = self.remove(id) {
            self.shared.retain(|_, shared| *shared != id);
            let owner = self.clients.iter().find(|(_, client)| client.link == Some(id)).map(|(id, _)| id);
            if let Some(client) = owner.and_then(|owner| self.clients.get_mut(owner)) {
                client.link = None;
                if client.cast_error.is_none() {
                    client.cast_error = link.ledger.take_cast_error();
                }
            }
        }
        for ticket in waiting {
            self.try_again(ticket, None);
        }
    }

    /// Takes a connection out of all that watches it.
    fn remove(&mut self, id: Id) -> Option<Connection> {
        let connection = self.connections.remove(id)?;
        match &connection {
            Connection::Link(link) => self.readiness.forget(&link.socket),
            // It is gone where the exchange is over.
            Connection::Exchange(exchange, _) => {
                exchange.socket().into_iter().for_each(|socket| self.readiness.forget(socket))
            }
        }
        Some(connection)
    }

    /// A session certainly did not take a call: another one may.
    fn try_again(&mut self, ticket: Ticket, why: Option<Error>) {
        let Some(call) = self.calls.get_mut(ticket.0) else { return };
        if why.is_some() {
            call.not_taken = why;
        }
        call.tries += 1;
        if call.tries >= TRIES {
            let error = call.not_taken.take().unwrap_or_else(|| {
                Error::new(ErrorKind::ConnectionLost, "the listener closed the connection before it took the message")
            });
            return self.finish(ticket, Err(error));
        }
        self.start(ticket);
    }

    /// A call is over.
    fn finish(&mut self, ticket: Ticket, result: Result<Option<Message>>) {
        let Some(call) = self.calls.remove(ticket.0) else { return };
        if let (What::Close(_), Some(client)) = (&call.what, call.client)
            && let Some(client) = self.clients.remove(client.0)
            && let Some(link) = client.link
        {
            self.desert(link);
        }
        let result = result.map_err(|error| error.on_channel(&call.target.channel));
        self.done.push(Completion { ticket, result });
    }

    /// Nobody will put anything on this link any more.
    fn desert(&mut self, id: Id) {
        let Some(Connection::Link(link)) = self.connections.get_mut(id) else { return };
        link.deserted = true;
        self.list(id);
        self.submit_link(id);
        self.drop_if_over(id);
    }

    /// Lets go of a deserted session once everything has been sent and answered.
    fn drop_if_over(&mut self, id: Id) {
        let Some(Connection::Link(link)) = self.connections.get(id) else { return };
        let is_over = link.is_all_sent() && !link.ledger.is_waiting() && link.waiting.is_empty();
        if link.deserted
            && is_over
            && let Some(Connection::Link(link)) = self.remove(id)
        {
            link.leave();
        }
    }

    /// Takes a call out of wherever it is. Its handler is told.
    fn withdraw(&mut self, ticket: Ticket) -> Option<Call> {
        let call = self.calls.remove(ticket.0)?;
        match &call.state {
            State::Sent(id, frame) => {
                if let Some(Connection::Link(link)) = self.connections.get_mut(*id)
                    && link.ledger.withdraw(*frame)
                    && matches!(call.what, What::Request)
                {
                    link.add(&Header::bare(Kind::Cancel, *frame), &mut Body::default());
                    self.list(*id);
                }
            }
            State::Exchanging(id) => drop(self.remove(*id)),
            State::Starting | State::Connecting(_) | State::Queued => {}
        }
        Some(call)
    }

    /// Ends calls whose time is over, and goes on with those that paused.
    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        let due: Vec<Ticket> = self
            .calls
            .iter()
            .filter(|(_, call)| call.due().is_some_and(|due| due <= now))
            .map(|(id, _)| Ticket(id))
            .collect();
        for ticket in due {
            let Some(call) = self.calls.get_mut(ticket.0) else { continue };
            if call.deadline.is_some_and(|deadline| deadline <= now) {
                let error = match &call.state {
                    State::Sent(..) => timed_out().after_sending(),
                    State::Exchanging(id) => match self.connections.get(*id) {
                        Some(Connection::Exchange(exchange, _)) => exchange.late(),
                        _ => timed_out(),
                    },
                    _ => timed_out(),
                };
                if let Some(call) = self.withdraw(ticket) {
                    let result = Err(error.on_channel(&call.target.channel));
                    self.done.push(Completion { ticket, result });
                }
            } else {
                call.wake = None;
                match call.state {
                    State::Connecting(_) => self.connect_on(ticket),
                    _ => self.start(ticket),
                }
            }
        }
        // Found anew: most calls are over before their time, and cost nothing here.
        self.due = self.calls.iter().filter_map(|(_, call)| call.due()).min();
    }

    fn note_due(&mut self, at: Option<Instant>) {
        self.due = match (self.due, at) {
            (Some(due), Some(at)) => Some(due.min(at)),
            (due, at) => due.or(at),
        };
    }

    /// Has the descriptor become readable when there is something to do.
    fn rearm(&mut self) {
        let at = if self.done.is_empty() { self.due } else { Some(Instant::now()) };
        // A clock that goes too early finds nothing to do and is set again then.
        if at != self.readiness.armed() {
            let _the_clock_takes_any_time = self.readiness.arm(at);
        }
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readiness.as_fd()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if self.born != fork::generation() {
            return; // Its descriptors were the parent's, and are closed.
        }
        // Requests end with their sessions, and their handlers are told. Broadcasts were promised to
        // be sent.
        let until = Instant::now() + FAREWELL;
        let ids: Vec<Id> = self.connections.iter().map(|(id, _)| id).collect();
        for id in ids {
            if let Some(Connection::Link(mut link)) = self.remove(id) {
                link.send_until(until);
                link.leave();
            }
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("under_way", &self.under_way()).finish_non_exhaustive()
    }
}
