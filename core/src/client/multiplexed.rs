//! A native session shared by any number of tasks: frames are sent by the task that has them, answers
//! are handed out by one task that receives.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::runtime;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout_at;

use super::{Attempt, Failed, lost, reply_error, timed_out, too_large};
use crate::channel::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::inbox;
use crate::lock::lock;
use crate::message::Message;
use crate::options::{Options, Peers};
use crate::outbox::{Outbox, Sent};
use crate::protocol::frame::{ACK_WANTED, FrameReader, HEADER_LEN, Header, Kind, Sender};
use crate::protocol::hello::{HELLO_LEN, Hello, Role};
use crate::transport::fork::ForkLocal;
use crate::transport::socket::{Socket, Wait, interrupted, would_block};
use crate::transport::watch::{WatchedSocket, watch};

/// A larger body than this is not sent before the listener has said what it takes.
const ASK_FIRST: usize = 64 << 10;
/// How many bytes may wait to be sent before senders wait too.
const MOST_WAITING: usize = 1 << 20;

/// A handle on a session. The last one to go ends it, after what was given to it has been sent.
#[derive(Clone)]
pub(crate) struct Multiplexed(Arc<User>);

struct User(Arc<Session>);

impl Drop for User {
    fn drop(&mut self) {
        self.0.deserted.store(true, Ordering::SeqCst);
        self.0.driver.notify_one();
    }
}

struct Session {
    socket: Arc<Socket>,
    outbox: Outbox,
    /// Tells the driver that something waits to be sent, or that nobody uses the session any more.
    driver: Notify,
    deserted: AtomicBool,
    /// There is room for more to be sent, the hello has come, or the session has ended.
    moved: Notify,
    /// The largest message that the listener takes; 0 until it has said.
    peer_max: AtomicU32,
    max_message: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: u32,
    pending: HashMap<u32, Pending>,
    /// The session takes nothing more, and why.
    ended: Option<(ErrorKind, String)>,
    /// One-way messages that were sent, and those of them that are known to have arrived.
    sent: u64,
    confirmed: u64,
    /// What went wrong with one of them.
    cast_error: Option<Error>,
}

enum Reply {
    Message(Message),
    Done,
}

/// A call that waits for its answer.
struct Pending {
    answered: oneshot::Sender<Attempt<Reply>>,
    /// The length of its body.
    len: usize,
}

impl Multiplexed {
    /// Starts a session on the runtime of the calling task.
    pub(crate) fn start(socket: Socket, max_message: usize) -> Result<Multiplexed> {
        let socket = Arc::new(socket);
        let fd = watch(Arc::clone(&socket), Interest::READABLE | Interest::WRITABLE)
            .map_err(|error| Error::from_os("cannot watch the connection", error))?;
        let session = Arc::new(Session {
            socket,
            outbox: Outbox::default(),
            driver: Notify::new(),
            deserted: AtomicBool::new(false),
            moved: Notify::new(),
            peer_max: AtomicU32::new(0),
            max_message,
            state: Mutex::default(),
        });
        // It goes out with the first frame.
        session
            .outbox
            .append(&Hello::new(Role::Multiplexed, max_message).encode(), &[])
            .map_err(|error| Error::from_os("cannot begin a session", error))?;
        tokio::spawn(drive(fd, Driven(Arc::clone(&session))));
        Ok(Multiplexed(Arc::new(User(session))))
    }

    fn session(&self) -> &Arc<Session> {
        &self.0.0
    }

    pub(crate) fn born(&self) -> u32 {
        self.session().socket.born()
    }

    /// Whether the session takes more.
    pub(crate) fn is_usable(&self) -> bool {
        self.born() == crate::transport::fork::generation() && lock(&self.session().state).ended.is_none()
    }

    /// Sends a request and waits for its answer. Dropping the future cancels the request.
    pub(crate) async fn request(&self, message: &Message, deadline: Option<Instant>) -> Attempt<Message> {
        let timeout_ms = deadline.map_or(0, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now()).as_millis();
            u32::try_from(left).unwrap_or(u32::MAX).max(1)
        });
        let header = Header { timeout_ms, ..Header::of(Kind::Request, 0, message) };
        match self.call(header, message.data(), deadline).await? {
            Reply::Message(message) => Ok(message),
            Reply::Done => {
                Err(Error::new(ErrorKind::Protocol, "the listener acknowledged a request instead of answering it")
                    .after_sending()
                    .into())
            }
        }
    }

    /// Sends a broadcast and waits until the handler has it.
    pub(crate) async fn broadcast(&self, message: &Message, deadline: Option<Instant>) -> Attempt<()> {
        let mut header = Header::of(Kind::Broadcast, 0, message);
        header.flags |= ACK_WANTED;
        self.call(header, message.data(), deadline).await.map(drop)
    }

    /// Sends a broadcast and waits only for room.
    pub(crate) async fn cast(&self, message: &Message, deadline: Option<Instant>) -> Attempt<()> {
        let session = self.session();
        session.take_cast_error()?;
        session.make_room(message.len(), deadline).await?;
        session.look_for_the_end();
        {
            let mut state = lock(&session.state);
            if let Some(error) = state.ended_error() {
                return Err(Failed::NotTaken(error));
            }
            state.sent += 1;
        }
        session.append(&Header::of(Kind::Broadcast, 0, message), message.data());
        Ok(())
    }

    /// Waits until everything sent before has been handed to the handler.
    pub(crate) async fn flush(&self, deadline: Option<Instant>) -> Attempt<()> {
        let session = self.session();
        session.take_cast_error()?;
        let sent = {
            let state = lock(&session.state);
            if state.confirmed == state.sent {
                return Ok(());
            }
            state.sent
        };
        let answered = self.call(Header::bare(Kind::Ack, 0), &[], deadline).await;
        let mut state = lock(&session.state);
        match answered {
            Ok(_) => {
                state.confirmed = state.confirmed.max(sent);
                state.cast_error.take().map_or(Ok(()), |error| Err(error.into()))
            }
            // The session goes on, and a later flush may hear of them.
            Err(failed) if state.ended.is_none() => Err(failed),
            Err(failed) => {
                let lost = state.take_unconfirmed();
                let told = state.cast_error.take();
                Err(told.unwrap_or_else(|| super::unconfirmed(lost, failed.into())).into())
            }
        }
    }

    /// Asks whether the listener is there.
    pub(crate) async fn ping(&self, deadline: Option<Instant>) -> Attempt<()> {
        self.call(Header::bare(Kind::Ping, 0), &[], deadline).await.map(drop)
    }

    /// What went wrong with one-way messages, if it has not been said yet.
    pub(crate) fn take_cast_error(&self) -> Attempt<()> {
        self.session().take_cast_error()
    }

    async fn call(&self, mut header: Header, body: &[u8], deadline: Option<Instant>) -> Attempt<Reply> {
        let session = self.session();
        session.make_room(body.len(), deadline).await?;
        let (answered, answer) = oneshot::channel();
        let others;
        {
            let mut state = lock(&session.state);
            if let Some(error) = state.ended_error() {
                return Err(Failed::NotTaken(error));
            }
            header.id = state.next_id();
            others = !state.pending.is_empty();
            state.pending.insert(header.id, Pending { answered, len: body.len() });
        }
        let waiting = Waiting { session, id: header.id, cancel: header.kind == Kind::Request };
        if others {
            session.append(&header, body);
        } else {
            session.send(&header, body);
        }
        let answer = match deadline {
            Some(deadline) => match timeout_at(deadline.into(), answer).await {
                Ok(answer) => answer,
                Err(_) => return Err(timed_out().after_sending().into()),
            },
            None => answer.await,
        };
        std::mem::forget(waiting);
        answer.unwrap_or_else(|_| Err(lost(io::ErrorKind::UnexpectedEof.into()).after_sending().into()))
    }
}

/// A call that waits for its answer; dropped before that, it takes itself out.
struct Waiting<'a> {
    session: &'a Arc<Session>,
    id: u32,
    cancel: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = lock(&self.session.state).pending.remove(&self.id).is_some();
        if waited && self.cancel {
            self.session.append(&Header::bare(Kind::Cancel, self.id), &[]);
        }
    }
}

impl State {
    fn next_id(&mut self) -> u32 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.pending.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }

    /// How many one-way messages nobody knows of whether they arrived. Asked once: they are told of.
    fn take_unconfirmed(&mut self) -> u64 {
        self.sent - std::mem::replace(&mut self.confirmed, self.sent)
    }

    fn ended_error(&self) -> Option<Error> {
        self.ended.as_ref().map(|(kind, text)| Error::new(*kind, text.clone()))
    }
}

impl Session {
    /// Sends a frame, in the calling task if the socket takes it.
    fn send(&self, header: &Header, body: &[u8]) {
        // A session that broke says so to whoever waits for an answer.
        match self.outbox.send(&self.socket, &header.encode(), body, Duration::ZERO) {
            Ok(Sent::Waiting) => self.driver.notify_one(),
            // Others may have found no room while this was being sent.
            _ => self.moved.notify_waiters(),
        }
    }

    /// Sends a frame with those of other tasks.
    fn append(&self, header: &Header, body: &[u8]) {
        if self.outbox.append(&header.encode(), body).is_ok() {
            self.driver.notify_one();
        }
    }

    fn take_cast_error(&self) -> Attempt<()> {
        match lock(&self.state).cast_error.take() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Waits until a body of `len` bytes may be sent, or refuses it.
    async fn make_room(&self, len: usize, deadline: Option<Instant>) -> Attempt<()> {
        let known = self.peer_max.load(Ordering::SeqCst) as usize;
        if len <= if known == 0 { ASK_FIRST } else { known.min(ASK_FIRST) } && self.outbox.waiting() < MOST_WAITING {
            return Ok(());
        }
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if let Some(error) = lock(&self.state).ended_error() {
                return Err(Failed::NotTaken(error));
            }
            let peer_max = self.peer_max.load(Ordering::SeqCst) as usize;
            if peer_max == 0 {
                // The hello may still wait for the first frame.
                self.driver.notify_one();
            } else if len > peer_max {
                return Err(too_large(len, peer_max).into());
            } else if self.outbox.waiting() < MOST_WAITING {
                return Ok(());
            }
            match deadline {
                Some(deadline) => {
                    if timeout_at(deadline.into(), moved).await.is_err() {
                        return Err(timed_out().into());
                    }
                }
                None => moved.await,
            }
        }
    }

    /// Nobody answers a one-way message, so the first after a while had better not go to a listener
    /// that has said goodbye, where the driver has not come round to reading that.
    fn look_for_the_end(&self) {
        {
            let state = lock(&self.state);
            if state.confirmed < state.sent || !state.pending.is_empty() {
                return;
            }
        }
        let mut bytes = [0; HEADER_LEN];
        match self.socket.peek(&mut bytes) {
            Ok(0) => {
                let error = lost(io::ErrorKind::UnexpectedEof.into());
                lock(&self.state).ended.get_or_insert((error.kind(), error.message().to_owned()));
            }
            Ok(HEADER_LEN) => {
                if let Ok(Header { kind: Kind::Goaway, id, .. }) = Header::decode(&bytes, Sender::Listener, usize::MAX)
                {
                    self.goaway(id);
                }
            }
            _ => {}
        }
    }

    /// Whether one-way messages are on their way over TCP: a connection that is closed before all that
    /// came on it was received is reset, which takes them along.
    fn is_to_linger(&self) -> bool {
        let state = lock(&self.state);
        self.socket.is_tcp() && state.confirmed < state.sent
    }

    /// Takes in the frames that are here.
    fn dispatch(&self, reader: &mut FrameReader) -> std::result::Result<(), Error> {
        while let Some((header, body)) = reader.next()? {
            let id = header.id;
            match header.kind {
                Kind::Response => {
                    let message = Message::from_parts(header.message_kind(), body.into_vec());
                    self.answer(id, Ok(Reply::Message(message)));
                }
                Kind::Ack | Kind::Pong => self.answer(id, Ok(Reply::Done)),
                Kind::Error => {
                    let error = reply_error(id, body.as_slice());
                    if id != 0 {
                        self.answer(id, Err(error.into()));
                    } else if matches!(error.kind(), ErrorKind::WrongMode | ErrorKind::InvalidBody) {
                        lock(&self.state).cast_error.get_or_insert(error);
                    } else {
                        return Err(error);
                    }
                }
                Kind::Goaway => self.goaway(id),
                Kind::Ping => self.append(&Header::bare(Kind::Pong, id), &[]),
                Kind::Request | Kind::Broadcast | Kind::Cancel => unreachable!("not a listener's frames"),
            }
        }
        Ok(())
    }

    fn answer(&self, id: u32, answer: Attempt<Reply>) {
        let caller = lock(&self.state).pending.remove(&id);
        if let Some(caller) = caller {
            let _has_left_meanwhile = caller.answered.send(answer);
        }
    }

    /// The listener took messages up to `last` and takes no more.
    fn goaway(&self, last: u32) {
        const TEXT: &str = "the listener is closing and did not take the message";
        let not_taken: Vec<_> = {
            let mut state = lock(&self.state);
            state.ended.get_or_insert((ErrorKind::Closing, TEXT.to_owned()));
            let ids: Vec<u32> = state.pending.keys().copied().filter(|id| (id.wrapping_sub(last) as i32) > 0).collect();
            ids.iter().filter_map(|id| state.pending.remove(id)).collect()
        };
        for caller in not_taken {
            let not_taken = Failed::NotTaken(Error::new(ErrorKind::Closing, TEXT));
            let _has_left_meanwhile = caller.answered.send(Err(not_taken));
        }
        self.moved.notify_waiters();
    }

    /// The session is over: everyone who waits hears of it.
    fn end(&self, error: &Error) {
        // Its hello goes out before the listener looks at a message.
        let peer_max = self.peer_max.load(Ordering::SeqCst) as usize;
        let untouched = peer_max == 0 && error.kind() == ErrorKind::ConnectionLost;
        let pending = {
            let mut state = lock(&self.state);
            state.ended.get_or_insert((error.kind(), error.message().to_owned()));
            let lost = state.take_unconfirmed();
            if lost > 0 && state.cast_error.is_none() {
                let again = Error::new(error.kind(), error.message().to_owned());
                state.cast_error = Some(super::unconfirmed(lost, again));
            }
            std::mem::take(&mut state.pending)
        };
        let to_blame = pending.values().any(|caller| caller.len > peer_max);
        for caller in pending.into_values() {
            let again = Error::new(error.kind(), error.message().to_owned());
            let failed = match error.kind() {
                _ if untouched => Failed::NotTaken(again),
                // Who speaks another version does not take a message in ours.
                ErrorKind::UnsupportedVersion => again.into(),
                ErrorKind::TooLarge if caller.len > peer_max => again.into(),
                ErrorKind::TooLarge if to_blame => lost(io::ErrorKind::UnexpectedEof.into()).after_sending().into(),
                _ => again.after_sending().into(),
            };
            let _has_left_meanwhile = caller.answered.send(Err(failed));
        }
        self.moved.notify_waiters();
        self.socket.shutdown();
    }
}

/// The driver's hold on its session: if its runtime ends, so does the session.
struct Driven(Arc<Session>);

impl Drop for Driven {
    fn drop(&mut self) {
        let error = Error::new(ErrorKind::ConnectionLost, "the runtime that drove the connection has ended");
        self.0.end(&error);
    }
}

async fn drive(fd: WatchedSocket, driven: Driven) {
    let session = &*driven.0;
    let mut reader = FrameReader::new(Sender::Listener, session.max_message);
    let mut hello = Vec::with_capacity(HELLO_LEN);
    let mut leaving = false;
    loop {
        let sent = match session.outbox.flush(&session.socket, Duration::ZERO) {
            Ok(sent) => sent,
            // Why, the listener may have said before: receiving finds out.
            Err(_) => Sent::Gone,
        };
        if sent == Sent::Gone {
            session.moved.notify_waiters();
            if session.deserted.load(Ordering::SeqCst) && !leaving {
                if !session.is_to_linger() {
                    return;
                }
                leaving = true;
                let _told_already = session.socket.shutdown_send();
            }
        }
        tokio::select! {
            () = session.driver.notified() => {
                // Others that are ready now may have something to send too: it goes out together.
                tokio::task::yield_now().await;
            }
            guard = fd.writable(), if sent == Sent::Waiting => {
                let Ok(mut guard) = guard else { return };
                if let Ok(Sent::Waiting) = session.outbox.flush(&session.socket, Duration::ZERO) {
                    guard.clear_ready();
                }
            }
            received = receive(&fd, session, &mut reader, &mut hello) => {
                let ended = match received {
                    Ok(0) => Some(lost(io::ErrorKind::UnexpectedEof.into())),
                    Err(error) => Some(lost(error)),
                    Ok(_) => greet(session, &mut reader, &mut hello).and_then(|()| session.dispatch(&mut reader)).err(),
                };
                if let Some(error) = ended {
                    return session.end(&error);
                }
            }
        }
    }
}

/// Takes the listener's hello in, once it is complete.
fn greet(session: &Session, reader: &mut FrameReader, bytes: &mut Vec<u8>) -> Result<()> {
    if session.peer_max.load(Ordering::Relaxed) == 0
        && let Some((first, rest)) = bytes.split_first_chunk::<HELLO_LEN>()
    {
        let hello = Hello::decode_from_listener(first)?;
        reader.feed(rest);
        session.peer_max.store(hello.max_message, Ordering::SeqCst);
        session.moved.notify_waiters();
        *bytes = Vec::new();
    }
    Ok(())
}

/// Receives once something is there. Cancelling it loses nothing.
async fn receive(
    fd: &WatchedSocket,
    session: &Session,
    reader: &mut FrameReader,
    hello: &mut Vec<u8>,
) -> io::Result<usize> {
    loop {
        let mut guard = fd.readable().await?;
        let received = if session.peer_max.load(Ordering::Relaxed) == 0 {
            hello.reserve(HELLO_LEN * 4);
            session.socket.recv_spare(hello, usize::MAX, Wait::No)
        } else {
            inbox::receive(&session.socket, reader, Wait::No)
        };
        match received {
            Err(error) if would_block(&error) => guard.clear_ready(),
            Err(error) if interrupted(&error) => {}
            done => return done,
        }
    }
}

/// Sessions for one-shot posts, by where they lead, who may be there, and which runtime drives them.
static SHARED: ForkLocal<Mutex<HashMap<Key, Multiplexed>>> = ForkLocal::new();

#[derive(PartialEq, Eq, Hash)]
struct Key {
    address: Address,
    peers: Peers,
    max_message: usize,
    runtime: runtime::Id,
}

impl Key {
    fn new(address: &Address, options: &Options) -> Key {
        Key {
            address: address.clone(),
            peers: options.peers.clone(),
            max_message: options.max_message,
            runtime: runtime::Handle::current().id(),
        }
    }
}

/// The session that other tasks of this runtime use for this address, if it is still good.
pub(crate) fn shared(address: &Address, options: &Options) -> Option<Multiplexed> {
    if options.wire == crate::options::Wire::Deno {
        return None;
    }
    let mut sessions = lock(SHARED.get());
    let key = Key::new(address, options);
    match sessions.get(&key) {
        Some(session) if session.is_usable() => Some(session.clone()),
        Some(_) => {
            sessions.remove(&key);
            None
        }
        None => None,
    }
}

/// Starts a session that other tasks of this runtime may use too.
pub(crate) fn share(socket: Socket, address: &Address, options: &Options) -> Result<Multiplexed> {
    let session = Multiplexed::start(socket, options.max_message)?;
    let mut sessions = lock(SHARED.get());
    // Those of runtimes that are gone would stay for ever.
    sessions.retain(|_, session| session.is_usable());
    sessions.insert(Key::new(address, options), session.clone());
    Ok(session)
}
