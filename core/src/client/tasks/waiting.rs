//! Waiting on the runtime: for a listener, for a stream, for an answer.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout_at;

use crate::cancellation::Cancellation;
use crate::client::connect::{Connected, Connecting, Presence, Purpose, Step};
use crate::client::deno::{Exchange, Progress};
use crate::client::target::Target;
use crate::client::until::Until;
use crate::client::{cancelled, closed_meanwhile, timed_out};
use crate::error::{Error, Result};
use crate::message::Message;
use crate::os::async_stream::AsyncStream;
use crate::os::interest::Interest;

impl Until<'_> {
    /// Drives what a task waits for, until it is to wait no longer.
    pub(crate) async fn drive<T>(&self, waited_for: impl Future<Output = T>) -> Result<T> {
        if self.caller.is_none() && self.client.is_none() {
            return self.drive_in_time(waited_for).await;
        }
        tokio::select! {
            biased;
            () = has_cancelled(self.caller) => Err(cancelled()),
            () = has_cancelled(self.client) => Err(closed_meanwhile()),
            done = self.drive_in_time(waited_for) => done,
        }
    }

    async fn drive_in_time<T>(&self, waited_for: impl Future<Output = T>) -> Result<T> {
        match self.deadline {
            Some(deadline) => timeout_at(deadline.into(), waited_for).await.map_err(|_| timed_out()),
            None => Ok(waited_for.await),
        }
    }
}

/// Completes when it is cancelled.
async fn has_cancelled(cancellation: Option<&Cancellation>) {
    match cancellation {
        Some(cancellation) => cancellation.cancelled().await,
        None => std::future::pending().await,
    }
}

impl Target<'_> {
    /// Connects for a call, pausing on the runtime. Cancelling it leaves nothing behind.
    pub(crate) async fn connect_async(&self, purpose: Purpose, until: &Until<'_>) -> Result<Connected> {
        let deadline = until.within(self.connecting_time(purpose.timeout)).deadline;
        let mut connecting = Connecting::new(purpose.body, deadline);
        repeat_async(until, || self.try_connect(&mut connecting)).await
    }

    /// Waits on the runtime until somebody listens.
    pub(crate) async fn look_async(&self, until: &Until<'_>) -> Result<Presence> {
        let began = Instant::now();
        repeat_async(until, || self.look_once(began)).await
    }
}

/// Repeats a step, pausing on the runtime, until it is done or has failed. How long to go on is the step's own matter.
async fn repeat_async<T>(until: &Until<'_>, mut step: impl FnMut() -> Result<Step<T>>) -> Result<T> {
    let until = Until { deadline: None, ..*until };
    loop {
        if let Some(error) = until.given_up() {
            return Err(error);
        }
        match step()? {
            Step::Done(done) => return Ok(done),
            Step::Pause(pause) => until.drive(tokio::time::sleep(pause)).await?,
        }
    }
}

impl Exchange {
    /// Does it, waiting on the runtime. Dropping the future gives the answer up.
    pub(crate) async fn run_async(mut self, message: Message, until: &Until<'_>) -> Result<Option<Message>> {
        let fd = AsyncStream::new(Arc::clone(self.socket.get()), Interest::Both)
            .map_err(|error| Error::from_os("cannot watch the connection", error))?;
        let mut wants = match self.step((&message).into())? {
            Progress::Done(answer) => return Ok(answer),
            Progress::Wants(wants) => wants,
        };
        loop {
            let ready = async { if wants == Interest::Write { fd.writable().await } else { fd.readable().await } };
            let mut guard = until
                .drive(ready)
                .await
                .map_err(|error| self.told(error))?
                .map_err(|error| Error::from_os("cannot wait for the connection", error).after_sending())?;
            match self.step((&message).into())? {
                Progress::Done(answer) => return Ok(answer),
                Progress::Wants(now) => {
                    if now == wants {
                        guard.clear_ready();
                    }
                    wants = now;
                }
            }
        }
    }
}
