//! One-shot posts of tasks, on the session that all tasks of a runtime share for this.

use std::sync::Mutex;

use rustc_hash::FxHashMap;
use tokio::runtime::{self, Handle};

use super::call::{SharedSession, call_async};
use super::no_runtime;
use super::session::{Operation, TaskSession};
use crate::channel::Channel;
use crate::client::post::nothing_is_posted;
use crate::client::target::{Key, Target};
use crate::client::until::Until;
use crate::error::Result;
use crate::lock::lock;
use crate::message::Message;
use crate::mode::Mode;
use crate::options::Options;
use crate::os::fork::ForkLocal;
use crate::os::stream::Stream;

/// The sessions of asynchronous posts; each belongs to the runtime that drives it.
static SHARED: ForkLocal<Mutex<FxHashMap<(Key, runtime::Id), TaskSession>>> = ForkLocal::new();

/// The session that all tasks of one runtime use for posts with one key.
struct PooledShared((Key, runtime::Id));

impl SharedSession for PooledShared {
    fn current(&self) -> Result<Option<TaskSession>> {
        Ok(lock(SHARED.get()).get(&self.0).filter(|session| session.is_usable()).cloned())
    }

    fn start(&self, stream: Stream) -> Result<TaskSession> {
        let session = TaskSession::start(stream, self.0.0.max_message, self.0.0.shares)?;
        let mut sessions = lock(SHARED.get());
        // Those of runtimes that are gone would stay for ever.
        sessions.retain(|_, session| session.is_usable());
        sessions.insert(self.0.clone(), session.clone());
        Ok(session)
    }
}

/// Posts, waiting on the runtime. Dropping the future cancels a request.
pub(crate) async fn post_async(
    channel: &Channel,
    mode: Mode,
    message: &Message,
    options: &Options,
) -> Result<Option<Message>> {
    let runtime = Handle::try_current().map_err(|_| no_runtime())?;
    let post = async {
        let target = Target::new(channel, options)?;
        target.check_body(message)?;
        let shared = PooledShared((target.key.clone(), runtime.id()));
        let until = Until { caller: options.cancellation.as_ref(), ..Until::default() };
        let operation = match mode {
            Mode::Request => Operation::Request(message),
            Mode::Broadcast => Operation::Broadcast(message),
            Mode::Publish => return Err(nothing_is_posted()),
        };
        call_async(&target, &shared, options.timeout, &until, operation).await
    };
    post.await.map_err(|error| error.on_channel(channel))
}
