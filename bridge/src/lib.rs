//! Carries named [Simple IPC](simple_ipc) channels between machines over NATS.
//!
//! One machine *exports* a channel on which somebody listens there; others *import* it, and its name works there as
//! if the listener were local: with the same errors, deadlines and cancellation, and the same word on whether a message
//! may have been handled. Nothing is exported or imported that is not listed. What crosses and what does not,
//! subjects and headers, and what is promised stand in `docs/bridge.md`; the program `simple-ipc-bridge` does this from
//! a command line.
//!
//! ```no_run
//! # async fn example() -> simple_ipc::Result<()> {
//! let bridge = simple_ipc_bridge::Bridge::builder("tls://nats.example:4222")
//!     .credentials_file("a.creds")
//!     .export("example_channel")
//!     .start()
//!     .await?;
//! // … and when it is to end:
//! bridge.close().await;
//! # Ok(())
//! # }
//! ```

mod age;
mod builder;
pub mod check;
mod connection;
mod credentials;
mod events;
mod export;
mod export_events;
mod export_stream;
mod far;
mod import;
mod import_events;
mod import_stream;
mod info;
mod link;
mod local;
mod progress;
mod retained;
mod settings;
mod waiting;
mod wire;

use std::sync::Arc;

use tokio::task::JoinHandle;

pub use crate::builder::Builder;
use crate::link::Link;
pub use crate::progress::Progress;
pub use crate::settings::DEFAULT_PREFIX;

/// A bridge that works until it is closed, in tasks of the tokio runtime on which it was started.
///
/// Dropping it ends it at once: local listeners are closed in the background, and calls under way end with
/// `connection_lost`.
#[derive(Debug)]
pub struct Bridge {
    link: Arc<Link>,
    tasks: Vec<JoinHandle<()>>,
}

impl Bridge {
    /// A bridge to the servers of these URLs, with commas between them: `tls://host:port`, or `nats://` where the host is this
    /// machine. They are tried one after another.
    pub fn builder(urls: impl Into<String>) -> Builder {
        Builder::new(urls.into())
    }

    pub(crate) async fn start(link: Link) -> simple_ipc::Result<Bridge> {
        let link = Arc::new(link);
        link.begin().await?;
        let mut tasks = vec![tokio::spawn(Arc::clone(&link).run())];
        for channel in &link.settings.exports {
            let kept = Arc::default();
            tasks.push(tokio::spawn(export::run(Arc::clone(&link), channel.clone(), Arc::clone(&kept))));
            tasks.push(tokio::spawn(export_events::run(Arc::clone(&link), channel.clone(), kept)));
        }
        for channel in &link.settings.imports {
            tasks.push(tokio::spawn(import::run(Arc::clone(&link), channel.clone())));
        }
        Ok(Bridge { link, tasks })
    }

    /// Whether there is a connection to a server just now.
    pub fn is_connected(&self) -> bool {
        self.link.connection().is_some()
    }

    /// Takes no more messages, waits until those under way are answered, at most 5 s, and ends. Awaiting it is what
    /// ends in order; if the future is dropped, the bridge ends at once.
    pub async fn close(mut self) {
        self.link.close();
        for task in std::mem::take(&mut self.tasks) {
            let _a_panic_has_been_shown = task.await;
        }
        self.link.ended().await;
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.link.close();
        self.link.hang_up();
    }
}
