//! Calls that are driven on the environment's own event loop: no other thread takes part in them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use simple_ipc::event_loop::{ClientId, Completion, Queue, Ticket};
use simple_ipc::{Call, Channel, Error, ErrorKind, Message, Options, Result};

use crate::event::{Event, Outcome};

/// The calls of one environment, and the clients that make them. JavaScript's thread uses it; another one may only drop it.
pub(crate) struct LoopCalls {
    queue: Queue,
    /// The calls under way.
    calls: HashMap<Ticket, Pending>,
    /// Their tickets, by the number that JavaScript gave each.
    tickets: HashMap<u32, Ticket>,
    clients: HashMap<u32, LoopClient>,
    /// Broadcasts that are on their way, of which JavaScript hears in the next turn.
    sent: Vec<u32>,
    /// What `process` gives, kept for its memory.
    completions: Vec<Completion>,
}

struct Pending {
    call: u32,
    means: Means,
}

/// What the completion of a call means to JavaScript.
enum Means {
    Answer,
    Nothing,
    /// How long it took since then.
    Time(Instant),
    /// A client, under this number.
    Client(u32),
}

struct LoopClient {
    id: ClientId,
    channel: Channel,
}

impl LoopCalls {
    pub(crate) fn new(queue: Queue) -> LoopCalls {
        LoopCalls {
            queue,
            calls: HashMap::new(),
            tickets: HashMap::new(),
            clients: HashMap::new(),
            sent: Vec::new(),
            completions: Vec::new(),
        }
    }

    /// Opens a client under this number; it is none where the call fails.
    pub(crate) fn connect(&mut self, call: u32, client: u32, channel: Channel, options: &Options) -> Result<()> {
        let (id, ticket) = self.queue.connect(&channel, options)?;
        self.clients.insert(client, LoopClient { id, channel });
        self.remember(ticket, call, Means::Client(client));
        Ok(())
    }

    pub(crate) fn request(
        &mut self,
        call: u32,
        client: u32,
        message: Message,
        timeout: Option<Option<Duration>>,
    ) -> Result<()> {
        let client = self.client(client)?;
        let timeout = timeout.map_or_else(|| self.queue.timeout(client), Ok)?;
        let ticket = self.queue.request(client, message, timeout)?;
        self.remember(ticket, call, Means::Answer);
        Ok(())
    }

    /// Sends a broadcast. Its outcome, if it has one at once, as it mostly does; with `is_to_turn` JavaScript's loop turns
    /// before it hears of it.
    pub(crate) fn broadcast(
        &mut self,
        call: u32,
        client: u32,
        message: Message,
        is_to_turn: bool,
    ) -> Result<Option<Outcome>> {
        let client = self.client(client)?;
        match self.queue.broadcast(client, message)? {
            Some(ticket) => self.remember(ticket, call, Means::Nothing),
            None if is_to_turn => {
                self.sent.push(call);
                self.queue.wake();
            }
            None => return Ok(Some(Outcome::Nothing)),
        }
        Ok(None)
    }

    pub(crate) fn control(
        &mut self,
        call: u32,
        client: u32,
        what: &str,
        timeout: Option<Option<Duration>>,
    ) -> Result<()> {
        let client = self.client(client)?;
        let options = timeout.map_or_else(Call::new, |timeout| Call::new().timeout(timeout));
        let (ticket, means) = match what {
            "flush" => (self.queue.flush_with(client, &options)?, Means::Nothing),
            "close" => (self.queue.close_with(client, &options)?, Means::Nothing),
            _ => (self.queue.ping_with(client, &options)?, Means::Time(Instant::now())),
        };
        self.remember(ticket, call, means);
        Ok(())
    }

    /// The channel of a client, and the options of a stream that it opens.
    pub(crate) fn stream(&self, client: u32, given: Option<&Options>) -> Result<(Channel, Options)> {
        let LoopClient { id, channel } = self.clients.get(&client).ok_or_else(closed)?;
        Ok((channel.clone(), self.queue.stream_options(*id, given)?))
    }

    /// Lets go of a client: what it has gathered is still sent.
    pub(crate) fn release(&mut self, client: u32) {
        if let Some(LoopClient { id, .. }) = self.clients.remove(&client) {
            self.queue.submit();
            self.queue.abandon(id);
        }
    }

    /// Gives a call up, and tells whether it has no outcome; `None` of a call that is not of this loop.
    pub(crate) fn cancel(&mut self, call: u32) -> Option<bool> {
        if let Some(place) = self.sent.iter().position(|sent| *sent == call) {
            self.sent.swap_remove(place);
            return Some(true);
        }
        let ticket = self.tickets.remove(&call)?;
        let pending = self.calls.remove(&ticket);
        if let Some(Pending { means: Means::Client(client), .. }) = pending {
            self.clients.remove(&client);
        }
        Some(self.queue.cancel(ticket))
    }

    /// Sends what has gathered.
    pub(crate) fn submit(&mut self) {
        self.queue.submit();
    }

    /// Does what there is to do, and tells what JavaScript is to hear of it.
    pub(crate) fn process(&mut self) -> Vec<Event> {
        let mut completions = std::mem::take(&mut self.completions);
        if self.queue.process(&mut completions).is_err() {
            // The process was forked: its parent has the calls.
            return Vec::new();
        }
        let mut events = Vec::with_capacity(completions.len() + self.sent.len());
        events.extend(self.sent.drain(..).map(|call| Event::Finished { call, outcome: Ok(Outcome::Nothing) }));
        for Completion { ticket, result } in completions.drain(..) {
            let Some(Pending { call, means }) = self.calls.remove(&ticket) else { continue };
            self.tickets.remove(&call);
            let outcome = match (means, result) {
                (Means::Client(client), Err(error)) => {
                    self.clients.remove(&client);
                    Err(error)
                }
                (_, Err(error)) => Err(error),
                (Means::Answer, Ok(reply)) => Ok(Outcome::Message(reply.unwrap_or_else(Message::null))),
                (Means::Nothing, Ok(_)) => Ok(Outcome::Nothing),
                (Means::Time(began), Ok(_)) => Ok(Outcome::Time(began.elapsed())),
                (Means::Client(client), Ok(_)) => Ok(Outcome::Client(client)),
            };
            events.push(Event::Finished { call, outcome });
        }
        self.completions = completions;
        events
    }

    fn client(&self, client: u32) -> Result<ClientId> {
        self.clients.get(&client).map(|client| client.id).ok_or_else(closed)
    }

    fn remember(&mut self, ticket: Ticket, call: u32, means: Means) {
        self.calls.insert(ticket, Pending { call, means });
        self.tickets.insert(call, ticket);
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the client is closed")
}
