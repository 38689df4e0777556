//! The bridge's connection over time: one after another, with a pause after each attempt that failed.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simple_ipc::{Error, ErrorKind, Result};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::age::Ages;
use crate::connection::{Connection, lock};
use crate::progress::{Progress, Tell};
use crate::settings::Settings;

/// The pause after the first attempt that failed; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What all of a bridge share.
pub(crate) struct Link {
    pub(crate) settings: Settings,
    /// By which messages that have been here are known.
    pub(crate) id: String,
    /// The machine's name, for people.
    pub(crate) host: String,
    pub(crate) ages: Ages,
    /// The connection that is up. Written by the task that connects.
    current: watch::Sender<Option<Arc<Connection>>>,
    /// Whether the bridge ends. Written by whoever closes it.
    closing: watch::Sender<bool>,
    tell: Arc<Tell>,
    /// What the bridge waits for when it ends.
    endings: TaskTracker,
}

/// Tasks that end by themselves, and are waited for.
#[derive(Debug, Default)]
struct TaskTracker(Mutex<Vec<JoinHandle<()>>>);

impl Link {
    pub(crate) fn new(settings: Settings, tell: Arc<Tell>) -> Link {
        Link {
            settings,
            id: format!("{:016x}", random()),
            host: host(),
            ages: Ages::new(),
            current: watch::Sender::new(None),
            closing: watch::Sender::new(false),
            tell,
            endings: TaskTracker::default(),
        }
    }

    /// Runs something that the bridge waits for when it ends.
    pub(crate) fn ending(&self, task: impl Future<Output = ()> + Send + 'static) {
        lock(&self.endings.0).push(tokio::spawn(task));
    }

    /// Waits for what has been given to [`ending`](Link::ending).
    pub(crate) async fn ended(&self) {
        loop {
            let next = lock(&self.endings.0).pop();
            let Some(task) = next else { return };
            let _a_panic_has_been_shown = task.await;
        }
    }

    /// The connection that is up, if one is.
    pub(crate) fn connection(&self) -> Option<Arc<Connection>> {
        self.current.borrow().clone().filter(|connection| !connection.is_lost())
    }

    /// Waits for a connection that is up; `None` when the bridge ends.
    pub(crate) async fn connected(&self) -> Option<Arc<Connection>> {
        let mut current = self.current.subscribe();
        let is_up = |connection: &Option<Arc<Connection>>| connection.as_ref().is_some_and(|up| !up.is_lost());
        tokio::select! {
            () = self.closed() => None,
            found = current.wait_for(is_up) => found.ok().and_then(|found| found.clone()),
        }
    }

    /// The error for a caller while there is no connection.
    pub(crate) fn not_connected(&self) -> Error {
        let urls = self.settings.urls();
        Error::new(ErrorKind::NotListening, format!("the bridge is not connected to {urls}; it goes on trying"))
    }

    pub(crate) fn tell(&self, progress: &Progress) {
        (self.tell)(progress);
    }

    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Completes when the bridge ends.
    pub(crate) async fn closed(&self) {
        drop(self.closing.subscribe().wait_for(|closing| *closing).await);
    }

    /// The first attempt. An error is one that another attempt would not mend; that nobody is there is none.
    pub(crate) async fn begin(&self) -> Result<()> {
        match Connection::open(&self.settings, random() as usize).await {
            Ok(connection) => self.put(connection),
            Err(error) if matches!(error.kind(), ErrorKind::NotListening | ErrorKind::TimedOut) => {
                self.tell(&Progress::Retrying { why: error.to_string(), pause: FIRST_PAUSE });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Keeps a connection up until the bridge ends.
    pub(crate) async fn run(self: Arc<Link>) {
        tokio::select! {
            () = self.closed() => {}
            () = self.keep_connected() => {}
        }
    }

    async fn keep_connected(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let up = self.current.borrow().clone();
            if let Some(connection) = up {
                connection.lost().await;
                self.current.send_replace(None);
                self.tell(&Progress::Lost { server: connection.server().to_owned() });
                pause = FIRST_PAUSE;
            }
            tokio::time::sleep(with_jitter(pause)).await;
            match Connection::open(&self.settings, random() as usize).await {
                Ok(connection) => self.put(connection),
                Err(error) => {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    self.tell(&Progress::Retrying { why: error.to_string(), pause });
                }
            }
        }
    }

    fn put(&self, connection: Arc<Connection>) {
        let server = connection.server().to_owned();
        self.current.send_replace(Some(connection));
        self.tell(&Progress::Connected { server });
    }

    /// Ends the connection that is up.
    pub(crate) fn hang_up(&self) {
        if let Some(connection) = self.current.send_replace(None) {
            connection.end();
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("id", &self.id).field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// From three quarters of it to all, so that bridges which lost one server do not come back together.
fn with_jitter(pause: Duration) -> Duration {
    pause.mul_f64(1.0 - 0.25 * (random() >> 11) as f64 / (1u64 << 53) as f64)
}

/// A number that no other bridge has drawn: from the keys of the standard library's hash maps, which the system draws.
fn random() -> u64 {
    RandomState::new().hash_one(std::time::Instant::now())
}

/// The name of this machine, or `unknown`.
fn host() -> String {
    let told =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let name = told.ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "unknown".to_owned())
}
