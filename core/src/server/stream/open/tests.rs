use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::thread::{scope, yield_now};

use super::*;
use crate::message::{MessageKind, MessageRef};
use crate::peer::Ownership;
use crate::protocol::frame::Kind;

/// A session that keeps the frames of its one stream.
#[derive(Debug, Default)]
struct Recorded {
    frames: Mutex<Vec<(Kind, u32)>>,
    /// The call has ended: by whoever set this.
    has_ended: AtomicBool,
    /// How often it was told that the last frame has been handed over, and how often that it was settled afterwards.
    ended: AtomicUsize,
    settled: AtomicUsize,
    /// Streams that count as open.
    open: AtomicI32,
}

impl Carrier for Recorded {
    fn peer(&self) -> Peer {
        Peer::new(Ownership::Anybody)
    }

    fn knows_attachments(&self) -> bool {
        false
    }

    fn peer_max(&self) -> usize {
        1 << 20
    }

    fn unsent(&self) -> usize {
        0
    }

    fn send(&self, header: &Header, _: &[u8]) -> bool {
        // Others have their turn between what a sender has decided and what it does.
        yield_now();
        lock(&self.frames).push((header.kind, header.len));
        true
    }

    fn gather(&self, header: &Header, body: &[u8]) -> Option<usize> {
        self.send(header, body).then_some(0)
    }

    fn flush(&self) {}

    fn end(&self, _: CallId) -> bool {
        !self.has_ended.swap(true, Ordering::SeqCst)
    }

    fn ended(&self, _: bool) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    fn settle(&self) {
        self.settled.fetch_add(1, Ordering::SeqCst);
    }

    fn has_closed(&self) -> bool {
        false
    }

    fn fail(&self, _: ErrorFrame<'_>, tell: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        tell()
    }

    fn leave(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

fn open() -> (Arc<Recorded>, Arc<OpenStream>) {
    let carrier = Arc::new(Recorded { open: AtomicI32::new(1), ..Recorded::default() });
    let open = OpenStream::new(Arc::clone(&carrier) as _, CallId::new(1, 1), false);
    (carrier, open)
}

#[test]
fn whoever_ends_a_stream_its_one_last_frame_is_behind_every_item_that_was_sent() {
    for nth in 0..300 {
        let (carrier, open) = open();
        let sent = AtomicUsize::new(0);
        scope(|scope| {
            for len in [0, 40_000] {
                let (open, sent) = (&open, &sent);
                scope.spawn(move || {
                    let item = vec![0; len];
                    while let Ok(begun) = open.try_send(MessageRef::bytes(&item)) {
                        sent.fetch_add(begun.into(), Ordering::SeqCst);
                        let _too_much_at_some_time = open.credit(if begun { 0 } else { 60_000 });
                    }
                });
            }
            scope.spawn(|| {
                for _ in 0..nth % 7 {
                    yield_now();
                }
                let _one_of_these_comes_first = if nth % 2 == 0 { open.finish() } else { open.fail(failure()) };
            });
            scope.spawn(|| {
                for _ in 0..nth % 5 {
                    yield_now();
                }
                if nth % 3 == 0 { open.lose() } else { open.cancel() }
            });
        });
        let frames = lock(&carrier.frames);
        let items = frames.iter().filter(|(kind, _)| *kind == Kind::Data).count();
        let is_lost = frames.last().is_none_or(|(kind, _)| *kind == Kind::Data);
        assert_eq!(items, sent.load(Ordering::SeqCst), "{frames:?}");
        assert_eq!(frames.len(), items + usize::from(!is_lost), "{frames:?}");
        assert!(!is_lost || nth % 3 == 0, "{frames:?}");
        // The handler has settled it, either by its ending or after that of the caller.
        let told = (carrier.ended.load(Ordering::SeqCst), carrier.settled.load(Ordering::SeqCst));
        assert!(told == (1, 0) || told == (1, 1), "{told:?}");
        assert_eq!(carrier.open.load(Ordering::SeqCst), 0);
    }
}

fn failure() -> ErrorFrame<'static> {
    ErrorFrame::of_text(ErrorKind::HandlerFailed, "on purpose")
}

#[test]
fn every_item_that_comes_wakes_one_who_waits_for_it_or_is_there_when_it_looks() {
    let (_, open) = open();
    let header = Header { flags: 1, ..Header::bare(Kind::Data, 1) };
    let came = scope(|scope| {
        let takes = scope.spawn(|| {
            let mut came = 0;
            while let Some(item) = open.recv(None).unwrap() {
                assert_eq!((item.kind(), item.len()), (MessageKind::Bytes, 0));
                came += 1;
            }
            came
        });
        for nth in 0..10_000 {
            open.data(&header, Body::Buffered(&[])).unwrap();
            if nth % 3 == 0 {
                yield_now();
            }
        }
        open.end().unwrap();
        takes.join().unwrap()
    });
    assert_eq!(came, 10_000);
}
