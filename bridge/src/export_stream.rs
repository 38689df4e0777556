//! A stream of a caller on another machine whose handler is here.

use std::sync::Arc;
use std::time::Duration;

use simple_ipc::{ErrorKind, ItemSender, ItemStream, Message};
use tokio::sync::oneshot;

use crate::connection::Connection;
use crate::export::Export;
use crate::far::{FarStream, Next};

/// How long the handler may take to begin, and to take or send an item: the caller's own times count, and end the stream.
const UNLIMITED: Duration = Duration::from_secs(365 * 24 * 3600);

impl Export {
    /// Opens the stream at the listener, and carries its items until it has ended or its caller has left.
    pub(crate) async fn carry(
        &self,
        connection: &Arc<Connection>,
        opening: &Message,
        left: Option<Duration>,
        caller: String,
        given_up: oneshot::Receiver<()>,
    ) {
        let far = FarStream::of_listener(connection, caller);
        tokio::select! {
            biased;
            // Dropping what is done tells the handler that its caller has left.
            () = far.over() => {}
            Ok(()) = given_up => {}
            () = self.serve_stream(&far, opening, left) => {}
            () = far.stay() => {}
        }
    }

    async fn serve_stream(&self, far: &FarStream, opening: &Message, left: Option<Duration>) {
        let options = self.link.settings.options.clone().idle_timeout(UNLIMITED);
        let options = match left {
            Some(left) => options.timeout(left),
            None => options,
        };
        let mut stream = match simple_ipc::post_stream(&self.channel, opening, &options).await {
            Ok(stream) => stream,
            Err(error) => return far.fail(&self.without_channel(error)).await,
        };
        far.accept().await;
        let sender = stream.sender();
        let failed = tokio::select! {
            biased;
            failed = bring(far, &mut stream) => failed,
            failed = take(far, &sender) => Some(failed),
        };
        match failed {
            Some(error) => far.fail(&self.without_channel(error)).await,
            None => far.end().await,
        }
    }
}

/// Brings the handler's items to the caller, as that has room for them. The error with which the stream has ended, if it has.
async fn bring(far: &FarStream, stream: &mut ItemStream) -> Option<simple_ipc::Error> {
    loop {
        far.room().await;
        match stream.next().await {
            Some(Ok(item)) => {
                if let Err(error) = far.item(item).await {
                    return Some(error);
                }
            }
            Some(Err(error)) => return Some(error),
            None => return None,
        }
    }
}

/// Takes the caller's items to the handler, as it takes them. Completes only with an error that the stream itself does not tell.
async fn take(far: &FarStream, sender: &ItemSender) -> simple_ipc::Error {
    loop {
        match far.next().await {
            Next::Item(item) => match sender.send_message(&item).await {
                Ok(()) => far.taken(item.len()).await,
                Err(error) if error.kind() == ErrorKind::TooLarge => return error.after_sending(),
                // The stream has ended or failed, which is told behind the items that came before.
                Err(_) => return std::future::pending().await,
            },
            Next::End => {
                let _it_has_ended = sender.end();
                return std::future::pending().await;
            }
            // Its task ends it.
            Next::Over(_) => return std::future::pending().await,
        }
    }
}
