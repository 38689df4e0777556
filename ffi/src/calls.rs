//! An event-loop queue, and for each of its calls who is told what it comes to.

use simple_ipc::event_loop::{Completion, Queue, Ticket};
use simple_ipc::{Message, Result};

/// The calls of a queue. `T` is whoever is told of one.
pub(crate) struct Calls<T> {
    pub(crate) queue: Queue,
    owed: Owed<T>,
    /// Empty between calls; kept for its memory.
    done: Vec<Completion>,
}

impl<T> Calls<T> {
    pub(crate) fn new() -> Result<Calls<T>> {
        Ok(Calls { queue: Queue::new()?, owed: Owed { places: Vec::new(), displaced: Vec::new() }, done: Vec::new() })
    }

    /// Notes who is told what this call comes to.
    pub(crate) fn owe(&mut self, ticket: Ticket, whom: T) {
        self.owed.put(ticket, whom);
    }

    /// Gives a call up. Returns who would have been told; `None` for a call that is not under way.
    pub(crate) fn cancel(&mut self, ticket: Ticket) -> Option<T> {
        if self.queue.cancel(ticket) { self.owed.take(ticket) } else { None }
    }

    /// Does what there is to do without waiting, and calls `tell` for each call that is over.
    pub(crate) fn process(&mut self, mut tell: impl FnMut(&mut Queue, T, Result<Option<Message>>)) -> Result<()> {
        self.queue.process(&mut self.done)?;
        for Completion { ticket, result } in self.done.drain(..) {
            if let Some(whom) = self.owed.take(ticket) {
                tell(&mut self.queue, whom, result);
            }
        }
        Ok(())
    }

    /// The queue, and all who have not been told.
    pub(crate) fn into_parts(mut self) -> (Queue, Vec<T>) {
        let owed = self.take_all();
        (self.queue, owed)
    }

    /// All who have not been told.
    pub(crate) fn take_all(&mut self) -> Vec<T> {
        let Owed { places, displaced } = &mut self.owed;
        places.drain(..).flatten().chain(displaced.drain(..)).map(|(_, whom)| whom).collect()
    }
}

/// Who is told of which call.
struct Owed<T> {
    /// By the lower half of the ticket's number, which is small and used again.
    places: Vec<Option<(Ticket, T)>>,
    /// Those of calls that are over and not yet told, whose place another call has got meanwhile.
    displaced: Vec<(Ticket, T)>,
}

impl<T> Owed<T> {
    #[inline]
    fn put(&mut self, ticket: Ticket, whom: T) {
        let place = place(ticket);
        if self.places.len() <= place {
            self.places.resize_with(place + 1, || None);
        }
        match &mut self.places[place] {
            free @ None => *free = Some((ticket, whom)),
            taken => self.displaced.extend(taken.replace((ticket, whom))),
        }
    }

    fn take(&mut self, ticket: Ticket) -> Option<T> {
        let found = match self.places.get_mut(place(ticket))?.take_if(|(of, _)| *of == ticket) {
            Some(found) => found,
            None => {
                let index = self.displaced.iter().position(|(of, _)| *of == ticket)?;
                self.displaced.swap_remove(index)
            }
        };
        Some(found.1)
    }
}

fn place(ticket: Ticket) -> usize {
    ticket.number() as u32 as usize
}
