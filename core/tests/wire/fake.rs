//! A stand-in for a listener, which says what a test has it say.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{FlockOperation, flock};

use crate::raw::Raw;
use crate::scratch::Scratch;

/// Something that listens where the channel `build` is, and says what a test has it say.
pub(crate) struct Fake {
    connections: Arc<AtomicUsize>,
    _lock: Option<std::fs::File>,
}

impl Fake {
    /// A listener with a held lock file, so that clients speak native sessions to it.
    pub(crate) fn native(scratch: &Scratch, serve: impl Fn(usize, Raw) + Send + Sync + 'static) -> Fake {
        Fake::native_socket(scratch, move |nth, stream| serve(nth, Raw::over(stream)))
    }

    /// The same, for one who passes descriptors, too.
    pub(crate) fn native_socket(scratch: &Scratch, serve: impl Fn(usize, UnixStream) + Send + Sync + 'static) -> Fake {
        let lock = std::fs::File::create(scratch.lock_file()).unwrap();
        let pid = std::process::id();
        let content = r#","version":"9","channel":"build","mode":"request","started":1}"#;
        writeln!(&lock, "{{\"pid\":{pid}{content}").unwrap();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        Fake::start(scratch, Some(lock), serve)
    }

    /// A listener without a lock file, as the original is one.
    pub(crate) fn original(scratch: &Scratch, serve: impl Fn(usize, UnixStream) + Send + Sync + 'static) -> Fake {
        Fake::start(scratch, None, serve)
    }

    fn start(
        scratch: &Scratch,
        lock: Option<std::fs::File>,
        serve: impl Fn(usize, UnixStream) + Send + Sync + 'static,
    ) -> Fake {
        let listener = UnixListener::bind(scratch.socket()).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let nth = count.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                // A client that leaves early makes its thread panic; that is nobody's concern.
                std::thread::spawn(move || {
                    let _ended_by_the_client =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| serve(nth, stream.unwrap())));
                });
            }
        });
        Fake { connections, _lock: lock }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}
