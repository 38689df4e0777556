//! What JavaScript calls: one object for each environment, and one for each client.

use std::sync::Arc;

use napi::bindgen_prelude::{Either, Function};
use napi::{Env, Unknown};
use napi_derive::napi;
use simple_ipc::{Channel, Client, Error, ErrorKind, Message, Mode, Options, Result};
use tokio::sync::Mutex;

use crate::call::{Call, Outcome};
use crate::convert::{self, Batch, Body, CountersObject};
use crate::hub::{Delivered, Hub};
use crate::listener;
use crate::options::{OptionsObject, duration};

/// The library in one JavaScript environment.
#[napi]
pub struct Native {
    hub: Arc<Hub>,
}

/// A client. JavaScript's collector drops it, and what it had gathered is still sent.
#[napi]
pub struct NativeClient {
    client: Arc<Client>,
    /// Held in the order of the calls: broadcasts and flushes take effect in that order.
    order: Arc<Mutex<()>>,
}

impl NativeClient {
    pub(crate) fn new(client: Arc<Client>) -> NativeClient {
        NativeClient { client, order: Arc::default() }
    }
}

/// A listener that was made: what JavaScript shows of it.
#[napi(object)]
pub(crate) struct ListenerObject {
    /// Its number in this environment.
    pub id: u32,
    /// The socket's path.
    pub path: Option<String>,
    /// The port.
    pub port: Option<u32>,
}

/// A live channel.
#[napi(object)]
pub(crate) struct ChannelObject {
    /// The name, `:port`, or the full path.
    pub channel: String,
    /// The path of the socket, or `127.0.0.1:port`.
    pub address: String,
    /// `request` or `broadcast`.
    pub mode: String,
    /// The process that listens.
    pub pid: i32,
    /// Milliseconds since 1970.
    pub started: f64,
    /// The listener's version.
    pub version: String,
}

type Place = Either<String, f64>;

fn prepare(place: &Place, options: Option<OptionsObject>) -> Result<(Channel, Options)> {
    Ok((convert::channel(place)?, options.unwrap_or_default().into_options()?))
}

fn mode(broadcast: bool) -> Mode {
    if broadcast { Mode::Broadcast } else { Mode::Request }
}

#[napi]
impl Native {
    /// The library in the environment that calls; `deliver` gets what becomes ready.
    #[napi(constructor)]
    pub fn new(env: Env, deliver: Function<'_, Delivered, ()>) -> napi::Result<Native> {
        Ok(Native { hub: Hub::new(&env, &deliver)? })
    }

    /// Whether the environment stays alive for what is open.
    #[napi]
    pub fn keep_alive(&self, env: Env, alive: bool) -> napi::Result<()> {
        self.hub.keep_alive(&env, alive)
    }

    /// Posts once.
    #[napi]
    pub fn post<'env>(
        &self,
        env: &'env Env,
        id: u32,
        broadcast: bool,
        place: Place,
        body: Body<'_>,
        options: Option<OptionsObject>,
    ) -> napi::Result<Unknown<'env>> {
        let message = convert::message(body);
        let outcome = match prepare(&place, options) {
            Err(error) => Some(Err(error)),
            Ok((channel, options)) if broadcast => Call::start(&self.hub, id, async move {
                simple_ipc::post_broadcast(&channel, &message, &options).await.map(|()| Outcome::Nothing)
            }),
            Ok((channel, options)) => Call::start(&self.hub, id, async move {
                simple_ipc::post_request(&channel, &message, &options).await.map(Outcome::Message)
            }),
        };
        convert::started(env, outcome)
    }

    /// Connects a client.
    #[napi]
    pub fn connect<'env>(
        &self,
        env: &'env Env,
        id: u32,
        place: Place,
        options: Option<OptionsObject>,
    ) -> napi::Result<Unknown<'env>> {
        let outcome = match prepare(&place, options) {
            Err(error) => Some(Err(error)),
            Ok((channel, options)) => Call::start(&self.hub, id, async move {
                Client::connect(&channel, &options).await.map(|client| Outcome::Client(Arc::new(client)))
            }),
        };
        convert::started(env, outcome)
    }

    /// A client's request.
    #[napi]
    pub fn request<'env>(
        &self,
        env: &'env Env,
        id: u32,
        client: &NativeClient,
        body: Body<'_>,
        timeout: Option<f64>,
    ) -> napi::Result<Unknown<'env>> {
        let (client, message) = (Arc::clone(&client.client), convert::message(body));
        let timeout = timeout.map_or(client.timeout(), duration);
        let outcome =
            Call::start(
                &self.hub,
                id,
                async move { client.request_message(&message, timeout).await.map(Outcome::Message) },
            );
        convert::started(env, outcome)
    }

    /// A client's broadcast.
    #[napi]
    pub fn broadcast<'env>(
        &self,
        env: &'env Env,
        id: u32,
        client: &NativeClient,
        body: Body<'_>,
    ) -> napi::Result<Unknown<'env>> {
        let message: Message = convert::message(body);
        let (client, order) = (Arc::clone(&client.client), Arc::clone(&client.order));
        let outcome = Call::start(&self.hub, id, async move {
            let _turn = order.lock().await;
            client.broadcast_message(&message).await.map(|()| Outcome::Nothing)
        });
        convert::started(env, outcome)
    }

    /// A client's flush, ping or close.
    #[napi]
    pub fn control<'env>(
        &self,
        env: &'env Env,
        id: u32,
        client: &NativeClient,
        what: String,
    ) -> napi::Result<Unknown<'env>> {
        let (client, order) = (Arc::clone(&client.client), Arc::clone(&client.order));
        let outcome = Call::start(&self.hub, id, async move {
            // Broadcasts called before are sent before.
            drop(order.lock().await);
            match what.as_str() {
                "flush" => client.flush().await.map(|()| Outcome::Nothing),
                "close" => client.close().await.map(|()| Outcome::Nothing),
                _ => client.ping().await.map(Outcome::Time),
            }
        });
        convert::started(env, outcome)
    }

    /// Ends a call that JavaScript no longer waits for.
    #[napi]
    pub fn cancel(&self, id: u32) {
        self.hub.cancel(id);
    }

    /// Listens: `[listener]` or `[undefined, error]`.
    #[napi]
    pub fn listen<'env>(
        &self,
        env: &'env Env,
        broadcast: bool,
        place: Place,
        options: Option<OptionsObject>,
    ) -> napi::Result<Unknown<'env>> {
        let id = self.hub.next_id();
        let alive = if self.hub.has_ended() {
            Err(Error::new(ErrorKind::Closed, "cannot listen: this process or worker is ending"))
        } else {
            Ok(())
        };
        let made = alive
            .and_then(|()| prepare(&place, options))
            .and_then(|(channel, options)| listener::listen(&self.hub, id, &channel, mode(broadcast), &options));
        let mut array = env.create_array(0)?;
        match made {
            Ok(listener) => {
                let path = listener.path().map(|path| path.to_string_lossy().into_owned());
                array.insert(ListenerObject { id, path, port: listener.port().map(u32::from) })?;
                self.hub.add_listener(id, listener);
            }
            Err(error) => {
                array.insert(())?;
                array.insert(convert::failure(env, &error)?)?;
            }
        }
        napi::bindgen_prelude::ToNapiValue::into_unknown(array, env)
    }

    /// What a listener has counted; nothing when it is closed.
    #[napi]
    pub fn counters(&self, listener: u32) -> Option<CountersObject> {
        self.hub.listener(listener).map(|listener| listener.counters().into())
    }

    /// Closes a listener.
    #[napi]
    pub fn close<'env>(&self, env: &'env Env, id: u32, listener: u32) -> napi::Result<Unknown<'env>> {
        let listener = self.hub.listener(listener);
        let outcome = Call::start(&self.hub, id, async move {
            match listener {
                Some(listener) => listener.close().await.map(|()| Outcome::Nothing),
                None => Ok(Outcome::Nothing),
            }
        });
        convert::started(env, outcome)
    }

    /// Lets go of a listener that has closed.
    #[napi]
    pub fn release(&self, listener: u32) {
        let _on_the_runtime = self.hub.runtime.enter();
        drop(self.hub.take_listener(listener));
    }

    /// Answers a message.
    #[napi]
    pub fn answer(&self, id: u32, body: Body<'_>) {
        let _on_the_runtime = self.hub.runtime.enter();
        if let Some(running) = self.hub.settle(id) {
            running.answer(Ok(convert::message(body)));
        }
    }

    /// Says that the handler has taken a broadcast, or that it failed.
    #[napi]
    pub fn settle(&self, id: u32, failure: Option<String>) {
        let _on_the_runtime = self.hub.runtime.enter();
        if let Some(running) = self.hub.settle(id) {
            running.answer(failure.map_or_else(|| Ok(Message::null()), |why| Err(why.into())));
        }
    }

    /// Asks to be told when nobody waits for the answer to this message any more.
    #[napi]
    pub fn watch(&self, id: u32) {
        listener::watch(&self.hub, id);
    }

    /// What is ready, after the loop has turned.
    #[napi]
    pub fn resume(&self) -> Batch {
        self.hub.resume()
    }

    /// The live channels: `[list]` or `[undefined, error]`.
    #[napi]
    pub fn channels<'env>(&self, env: &'env Env, directory: Option<String>) -> napi::Result<Unknown<'env>> {
        let mut array = env.create_array(0)?;
        let found: Result<Vec<simple_ipc::ChannelInfo>, Error> =
            simple_ipc::channels(directory.as_deref().map(std::path::Path::new));
        match found {
            Ok(found) => {
                #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
                let object = |info: simple_ipc::ChannelInfo| ChannelObject {
                    channel: info.channel,
                    address: info.address,
                    mode: info.mode,
                    pid: info.pid,
                    started: info.started_ms as f64,
                    version: info.version,
                };
                array.insert(found.into_iter().map(object).collect::<Vec<_>>())?;
            }
            Err(error) => {
                array.insert(())?;
                array.insert(convert::failure(env, &error)?)?;
            }
        }
        napi::bindgen_prelude::ToNapiValue::into_unknown(array, env)
    }

    /// Ends everything that is open, as the environment's end does; at the end of the `process`, everywhere in it.
    #[napi]
    pub fn end(&self, process: bool) {
        if process {
            Hub::end_all();
        } else {
            self.hub.end();
        }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        self.hub.end();
    }
}
