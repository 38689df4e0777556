//! Sessions that end under every kind of client, and what is said of broadcasts that nobody confirmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use simple_ipc::event_loop::{ClientId, Queue, Ticket};
use simple_ipc::{Error, ErrorKind, Message, Result, blocking};

use crate::fake::Fake;
use crate::raw::{ACK, BROADCAST, GOAWAY, PING, PONG, REQUEST, REQUEST_LISTENER, RESPONSE, Raw, bare, frame, hello};
use crate::scratch::{Scratch, build};

/// What a listener does with the session on which the first broadcast comes. It has handled none.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// It says goodbye, and leaves the connection open.
    Goaway,
    /// It says goodbye and leaves.
    GoawayAndClose,
    /// It leaves.
    Close,
}

/// A listener that ends the session of the first broadcast and is in order from then on.
struct Ending {
    fake: Fake,
    /// The session has ended.
    ended: Receiver<()>,
    /// How many broadcasts were taken after that.
    taken: Arc<AtomicUsize>,
}

fn ending(scratch: &Scratch, end: End) -> Ending {
    let (tell, ended) = channel();
    let taken = Arc::new(AtomicUsize::new(0));
    let is_over = AtomicBool::new(false);
    let counted = Arc::clone(&taken);
    let fake = Fake::native(scratch, move |_, mut raw: Raw| {
        raw.receive(16);
        raw.send(&hello(REQUEST_LISTENER));
        loop {
            let got = raw.frame();
            match got.kind {
                BROADCAST if !is_over.swap(true, Ordering::SeqCst) => {
                    if end != End::Close {
                        raw.send(&bare(GOAWAY, 0));
                    }
                    if end == End::Goaway {
                        tell.send(()).unwrap();
                        raw.receive_to_end();
                    } else {
                        drop(raw);
                        tell.send(()).unwrap();
                    }
                    return;
                }
                BROADCAST => drop(counted.fetch_add(1, Ordering::SeqCst)),
                ACK => raw.send(&bare(ACK, got.id)),
                PING => raw.send(&bare(PONG, got.id)),
                REQUEST => raw.send(&frame(RESPONSE, 0, got.id, 0, b"\"fine\"")),
                kind => panic!("kind {kind}"),
            }
        }
    });
    Ending { fake, ended, taken }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Do {
    Broadcast,
    Flush,
    Ping,
    Request,
    Close,
}

/// A client of any kind.
trait Client {
    fn open(scratch: &Scratch) -> Self;
    fn make(&mut self, what: Do) -> Result<()>;
    /// Takes in what has come, where that is not done by calls alone.
    fn look(&mut self);
}

impl Client for blocking::Client {
    fn open(scratch: &Scratch) -> Self {
        blocking::Client::connect(&build(), &scratch.options()).unwrap()
    }

    fn make(&mut self, what: Do) -> Result<()> {
        match what {
            Do::Broadcast => self.broadcast(1),
            Do::Flush => self.flush(),
            Do::Ping => self.ping().map(drop),
            Do::Request => self.request::<String>(1).map(drop),
            Do::Close => self.close(),
        }
    }

    fn look(&mut self) {}
}

struct Tasks(tokio::runtime::Runtime, simple_ipc::Client);

impl Client for Tasks {
    fn open(scratch: &Scratch) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(simple_ipc::Client::connect(&build(), &scratch.options())).unwrap();
        Tasks(runtime, client)
    }

    fn make(&mut self, what: Do) -> Result<()> {
        self.0.block_on(async {
            match what {
                Do::Broadcast => {
                    let done = self.1.broadcast(1).await;
                    // It has been handed to the driver, which is to send it.
                    self.idle().await;
                    done
                }
                Do::Flush => self.1.flush().await,
                Do::Ping => self.1.ping().await.map(drop),
                Do::Request => self.1.request::<String>(1).await.map(drop),
                Do::Close => self.1.close().await,
            }
        })
    }

    fn look(&mut self) {
        self.0.block_on(self.idle());
    }
}

impl Tasks {
    /// Lets the runtime look at its sockets. That the driver comes round to all of it is likely and not
    /// certain; what the test expects holds either way.
    async fn idle(&self) {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

struct Polled(Queue, ClientId);

impl Client for Polled {
    fn open(scratch: &Scratch) -> Self {
        let mut queue = Queue::new().unwrap();
        let (client, ticket) = queue.connect(&build(), &scratch.options()).unwrap();
        let mut client = Polled(queue, client);
        client.wait_for(ticket).unwrap();
        client
    }

    fn make(&mut self, what: Do) -> Result<()> {
        let client = self.1;
        let ticket = match what {
            Do::Broadcast => {
                let ticket = self.0.broadcast(client, Message::null())?;
                self.0.submit();
                match ticket {
                    Some(ticket) => ticket,
                    None => return Ok(()),
                }
            }
            Do::Flush => self.0.flush(client)?,
            Do::Ping => self.0.ping(client)?,
            Do::Request => self.0.request(client, Message::null(), None)?,
            Do::Close => self.0.close(client)?,
        };
        self.wait_for(ticket)
    }

    fn look(&mut self) {
        let mut done = Vec::new();
        self.0.process(&mut done).unwrap();
        assert!(done.is_empty(), "{done:?}");
    }
}

impl Polled {
    fn wait_for(&mut self, ticket: Ticket) -> Result<()> {
        let mut done = Vec::new();
        loop {
            self.0.wait(None)?;
            self.0.process(&mut done)?;
            if let Some(at) = done.iter().position(|done| done.ticket == ticket) {
                return done.swap_remove(at).result.map(drop);
            }
        }
    }
}

/// What to do after the session has ended, such that what became of the first broadcast comes up.
const SEQUENCES: [&[Do]; 8] = [
    &[Do::Flush],
    &[Do::Close],
    &[Do::Broadcast, Do::Ping, Do::Flush],
    &[Do::Broadcast, Do::Request, Do::Close],
    &[Do::Ping, Do::Broadcast, Do::Flush],
    &[Do::Ping, Do::Ping, Do::Flush],
    &[Do::Request, Do::Close],
    &[Do::Broadcast, Do::Broadcast, Do::Close],
];

fn tells_once<C: Client>(name: &str) {
    for end in [End::Goaway, End::GoawayAndClose, End::Close] {
        for sequence in SEQUENCES {
            let scratch = Scratch::new();
            let listener = ending(&scratch, end);
            let mut client = C::open(&scratch);
            client.make(Do::Broadcast).unwrap();
            listener.ended.recv().unwrap();
            client.look();
            let results: Vec<(Do, Result<()>)> = sequence.iter().map(|&what| (what, client.make(what))).collect();
            let what = format!("{name}, {end:?}: {results:?}");
            let told: Vec<&Error> = results.iter().filter_map(|(_, result)| result.as_ref().err()).collect();
            assert_eq!(told.len(), 1, "{what}");
            assert!(told[0].may_have_been_handled(), "{what}");
            assert!(told[0].message().contains("not confirmed"), "{what}");
            assert!(matches!(told[0].kind(), ErrorKind::Closing | ErrorKind::ConnectionLost), "{what}");
            if sequence.last() == Some(&Do::Close) {
                continue;
            }
            // From then on all is as before.
            let before = listener.taken.load(Ordering::SeqCst);
            client.make(Do::Broadcast).unwrap();
            client.make(Do::Flush).unwrap();
            client.make(Do::Request).unwrap();
            client.make(Do::Close).unwrap();
            assert_eq!(listener.taken.load(Ordering::SeqCst), before + 1, "{what}");
            assert!(listener.fake.connections() > 1);
        }
    }
}

#[test]
fn a_blocking_client_tells_once_of_broadcasts_that_a_session_took_along() {
    tells_once::<blocking::Client>("blocking");
}

#[test]
fn an_asynchronous_client_tells_once_of_broadcasts_that_a_session_took_along() {
    tells_once::<Tasks>("asynchronous");
}

#[test]
fn a_queue_tells_once_of_broadcasts_that_a_session_took_along() {
    tells_once::<Polled>("queue");
}
