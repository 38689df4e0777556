//! What JavaScript calls: functions over numbers, which answer `closed` once the environment has ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{Either, Function, Null, Object};
use napi::{Env, Unknown};
use napi_derive::napi;
use simple_ipc::{Channel, Client, Error, ErrorKind, HandlerFailure, Message, Mode, Options, Result};
use tokio::time::timeout;

use crate::call::Call;
use crate::convert::{self, Batch, Body, CountersObject};
use crate::deliver::Delivered;
use crate::event::Outcome;
use crate::hub::{self, Hub, hub};
use crate::listener;
use crate::loop_calls::LoopCalls;
use crate::on_loop;
use crate::open::{Connected, Listening};
use crate::options::{OptionsObject, duration};
use crate::{reply, stream, subscription};

/// A listener that was made: what JavaScript shows of it.
#[napi(object)]
pub struct ListenerObject {
    /// Its number in this environment.
    pub id: u32,
    /// The socket's path.
    pub path: Option<String>,
    /// The port.
    pub port: Option<u32>,
}

/// A live channel.
#[napi(object)]
pub struct ChannelObject {
    /// The name, `:port`, or the full path.
    pub channel: String,
    /// The path of the socket, or `127.0.0.1:port`.
    pub address: String,
    /// `request`, `broadcast` or `publish`; null, as the rest, where the lock file does not say.
    pub mode: Either<String, Null>,
    /// The process that listens.
    pub pid: Either<i32, Null>,
    /// Milliseconds since 1970.
    pub started: Either<f64, Null>,
    /// The listener's version.
    pub version: Either<String, Null>,
    /// Whether it takes subscribers.
    pub publishes: bool,
    /// How many subscribers it has.
    pub subscribers: Either<f64, Null>,
}

type Place = Either<String, f64>;

fn prepare(place: &Place, options: Option<OptionsObject>) -> Result<(Channel, Options)> {
    Ok((convert::channel(place)?, options.unwrap_or_default().into_options()?))
}

fn mode(name: &str) -> Mode {
    match name {
        "request" => Mode::Request,
        "broadcast" => Mode::Broadcast,
        _ => Mode::Publish,
    }
}

/// Begins a call of this environment; what `begin` fails with is the call's outcome.
fn call<'env>(
    env: &'env Env,
    environment: u32,
    begin: impl FnOnce(&Arc<Hub>) -> Result<Option<Result<Outcome>>>,
) -> napi::Result<Unknown<'env>> {
    let outcome = hub(environment).and_then(|hub| begin(&hub)).unwrap_or_else(|error| Some(Err(error)));
    convert::started(env, outcome)
}

/// As `call`, of a client: on the environment's own loop, or else on the runtime. `input` goes to the one that does it.
fn client_call<'env, T>(
    env: &'env Env,
    environment: u32,
    client: u32,
    input: T,
    on_loop: impl FnOnce(&Hub, &mut LoopCalls, T) -> Result<Option<Outcome>>,
    on_runtime: impl FnOnce(&Arc<Hub>, Arc<Connected>, T) -> Option<Result<Outcome>>,
) -> napi::Result<Unknown<'env>> {
    call(env, environment, |hub| {
        let mut input = Some(input);
        let begun = hub.on_loop(|calls| input.take().map(|input| on_loop(hub, calls, input))).flatten();
        match (begun, input) {
            (None, Some(input)) => Ok(on_runtime(hub, hub.client(client)?, input)),
            (begun, _) => Ok(begun.and_then(Result::transpose)),
        }
    })
}

/// Opens the library in the environment that calls, and tells its number; `deliver` gets what becomes ready, and
/// `resource` says with `hasRef` whether something is open. `own_loop`: the runtime's event loop is libuv's, whole, as Node's is.
#[napi]
pub fn open(env: Env, deliver: Function<'_, Delivered, ()>, resource: Object<'_>, own_loop: bool) -> napi::Result<u32> {
    Hub::open(&env, &deliver, &resource, own_loop)
}

/// Sends what calls on the environment's own loop have gathered.
#[napi]
pub fn submit(environment: u32) {
    if let Ok(hub) = hub(environment) {
        hub.on_loop(LoopCalls::submit);
    }
}

/// Whether the environment stays alive for what is open.
#[napi]
pub fn keep_alive(env: Env, environment: u32, alive: bool) -> napi::Result<()> {
    hub(environment).map_or(Ok(()), |hub| hub.keep_alive(&env, alive))
}

/// Posts once.
#[napi]
pub fn post<'env>(
    env: &'env Env,
    environment: u32,
    id: u32,
    broadcast: bool,
    place: Place,
    body: Body<'_>,
    options: Option<OptionsObject>,
) -> napi::Result<Unknown<'env>> {
    let message = convert::message(body);
    call(env, environment, |hub| {
        let (channel, options) = prepare(&place, options)?;
        Ok(if broadcast {
            Call::start(hub, id, async move {
                simple_ipc::post_broadcast(&channel, &message, &options).await.map(|()| Outcome::Nothing)
            })
        } else {
            Call::start(hub, id, async move {
                simple_ipc::post_request(&channel, &message, &options).await.map(Outcome::Message)
            })
        })
    })
}

/// Connects a client.
#[napi]
pub fn connect<'env>(
    env: &'env Env,
    environment: u32,
    id: u32,
    place: Place,
    options: Option<OptionsObject>,
) -> napi::Result<Unknown<'env>> {
    call(env, environment, |hub| {
        let (channel, options) = prepare(&place, options)?;
        hub.choose_driver(env);
        let client = hub.next_id();
        if let Some(begun) = hub.on_loop(|calls| calls.connect(id, client, channel.clone(), &options)) {
            return begun.map(|()| None);
        }
        let owner = Arc::downgrade(hub);
        Ok(Call::start(hub, id, async move {
            let client = Client::connect(&channel, &options).await?;
            let owner = owner.upgrade().ok_or_else(hub::ending)?;
            Ok(Outcome::Client(owner.add_client(client)))
        }))
    })
}

/// Lets go of a client that JavaScript no longer has.
#[napi]
pub fn release_client(environment: u32, client: u32) {
    if let Ok(hub) = hub(environment) {
        let _on_the_runtime = hub.runtime.enter();
        hub.release_client(client);
        hub.on_loop(|calls| calls.release(client));
    }
}

/// A client's request.
#[napi]
pub fn request<'env>(
    env: &'env Env,
    environment: u32,
    id: u32,
    client: u32,
    body: Body<'_>,
    timeout: Option<f64>,
) -> napi::Result<Unknown<'env>> {
    let message = convert::message(body);
    client_call(
        env,
        environment,
        client,
        message,
        |_, calls, message| calls.request(id, client, message, timeout.map(duration)).map(|()| None),
        |hub, connected, message| {
            let timeout = timeout.map_or(connected.client.timeout(), duration);
            Call::start(hub, id, async move {
                connected.client.request_message(&message, timeout).await.map(Outcome::Message)
            })
        },
    )
}

/// A client's broadcast.
#[napi]
pub fn broadcast<'env>(
    env: &'env Env,
    environment: u32,
    id: u32,
    client: u32,
    body: Body<'_>,
) -> napi::Result<Unknown<'env>> {
    let message: Message = convert::message(body);
    client_call(
        env,
        environment,
        client,
        message,
        |hub, calls, message| calls.broadcast(id, client, message, hub.is_to_turn()),
        |hub, connected, message| {
            Call::start(hub, id, async move {
                let _turn = connected.order.lock().await;
                connected.client.broadcast_message(&message).await.map(|()| Outcome::Nothing)
            })
        },
    )
}

/// A client's flush, ping or close, within so many milliseconds.
#[napi]
pub fn control<'env>(
    env: &'env Env,
    environment: u32,
    id: u32,
    client: u32,
    what: String,
    milliseconds: Option<f64>,
) -> napi::Result<Unknown<'env>> {
    client_call(
        env,
        environment,
        client,
        what,
        |_, calls, what| calls.control(id, client, &what, milliseconds.map(duration)).map(|()| None),
        |hub, connected, what| {
            let limit = milliseconds.map_or(connected.client.timeout(), duration);
            Call::start(hub, id, async move {
                // Broadcasts called before are sent before, unless that takes too long.
                let began = Instant::now();
                match limit {
                    Some(limit) => drop(timeout(limit, connected.order.lock()).await),
                    None => drop(connected.order.lock().await),
                }
                let left = limit.map(|limit| limit.saturating_sub(began.elapsed()).max(SHORTEST));
                let call = simple_ipc::Call::new().timeout(left);
                match what.as_str() {
                    "flush" => connected.client.flush_with(&call).await.map(|()| Outcome::Nothing),
                    "close" => connected.client.close_with(&call).await.map(|()| Outcome::Nothing),
                    _ => connected.client.ping_with(&call).await.map(Outcome::Time),
                }
            })
        },
    )
}

/// A time that is over.
const SHORTEST: Duration = Duration::from_millis(1);

/// Subscribes to a publisher.
#[napi]
pub fn subscribe<'env>(
    env: &'env Env,
    environment: u32,
    id: u32,
    place: Place,
    options: Option<OptionsObject>,
) -> napi::Result<Unknown<'env>> {
    call(env, environment, |hub| {
        let (channel, options) = prepare(&place, options)?;
        Ok(subscription::subscribe(hub, id, channel, options))
    })
}

/// A subscription's next event; JavaScript has one such call of a subscription at a time.
#[napi]
pub fn next<'env>(env: &'env Env, environment: u32, id: u32, subscription: u32) -> napi::Result<Unknown<'env>> {
    call(env, environment, |hub| Ok(subscription::next(hub, id, hub.subscription(subscription)?)))
}

/// Closes a subscription.
#[napi]
pub fn release_subscription(environment: u32, subscription: u32) {
    if let Ok(hub) = hub(environment) {
        let _on_the_runtime = hub.runtime.enter();
        hub.release_subscription(subscription);
    }
}

/// Opens a stream.
#[napi]
pub fn post_stream<'env>(
    env: &'env Env,
    environment: u32,
    id: u32,
    place: Place,
    body: Body<'_>,
    options: Option<OptionsObject>,
) -> napi::Result<Unknown<'env>> {
    let opening = convert::message(body);
    call(env, environment, |hub| {
        let (channel, options) = prepare(&place, options)?;
        Ok(stream::post(hub, id, channel, opening, options))
    })
}

/// Opens a stream with a client.
#[napi]
pub fn client_stream<'env>(
    env: &'env Env,
    environment: u32,
    id: u32,
    client: u32,
    body: Body<'_>,
    options: Option<OptionsObject>,
) -> napi::Result<Unknown<'env>> {
    let opening = convert::message(body);
    call(env, environment, |hub| {
        let options = options.map(OptionsObject::into_options).transpose()?;
        if let Some(settings) = hub.on_loop(|calls| calls.stream(client, options.as_ref())) {
            let (channel, options) = settings?;
            return Ok(stream::post(hub, id, channel, opening, options));
        }
        Ok(stream::of_client(hub, id, hub.client(client)?, opening, options))
    })
}

/// A stream's next item; JavaScript has one such call of a stream at a time.
#[napi]
pub fn stream_next<'env>(env: &'env Env, environment: u32, id: u32, stream: u32) -> napi::Result<Unknown<'env>> {
    call(env, environment, |hub| Ok(stream::next(hub, id, hub.stream(stream)?)))
}

/// Sends an item on a stream; JavaScript has one such call of a stream at a time.
#[napi]
pub fn stream_send<'env>(
    env: &'env Env,
    environment: u32,
    id: u32,
    stream: u32,
    body: Body<'_>,
) -> napi::Result<Unknown<'env>> {
    let item = convert::message(body);
    call(env, environment, |hub| Ok(stream::send(hub, id, hub.stream(stream)?, item)))
}

/// Says that no more items are sent on a stream.
#[napi]
pub fn stream_end(environment: u32, stream: u32) {
    if let Ok(streaming) = hub(environment).and_then(|hub| hub.stream(stream)) {
        let _what_comes_of_the_stream_says_more = streaming.sender.end();
    }
}

/// Closes a stream.
#[napi]
pub fn release_stream(environment: u32, stream: u32) {
    if let Ok(hub) = hub(environment) {
        let _on_the_runtime = hub.runtime.enter();
        hub.release_stream(stream);
    }
}

/// Ends a call that JavaScript no longer waits for, and tells whether it ends without an outcome.
#[napi]
pub fn cancel(environment: u32, id: u32) -> bool {
    hub(environment).is_ok_and(|hub| hub.cancel(id))
}

/// Listens, to `request`, `broadcast` or nothing but subscribers (`publish`): `[listener]` or `[undefined, error]`.
#[napi]
pub fn listen<'env>(
    env: &'env Env,
    environment: u32,
    takes: String,
    place: Place,
    options: Option<OptionsObject>,
) -> napi::Result<Unknown<'env>> {
    let made = hub(environment).and_then(|hub| {
        let options = options.unwrap_or_default();
        let (most_unpublished, grace) = (options.most_unpublished(), options.grace_period());
        let (channel, options) = prepare(&place, Some(options))?;
        let id = hub.next_id();
        let (listener, on_loop) = listener::listen(&hub, env, id, &channel, mode(&takes), &options)?;
        let path = listener.path().map(|path| path.to_string_lossy().into_owned());
        let object = ListenerObject { id, path, port: listener.port().map(u32::from) };
        hub.add_listener(id, Listening::new(listener, most_unpublished, grace), on_loop);
        Ok(object)
    });
    convert::result(env, made)
}

/// Publishes to a listener's subscribers.
#[napi]
pub fn publish<'env>(
    env: &'env Env,
    environment: u32,
    id: u32,
    listener: u32,
    topic: Option<String>,
    body: Body<'_>,
) -> napi::Result<Unknown<'env>> {
    let message = convert::message(body);
    call(env, environment, |hub| {
        let listening =
            hub.listener(listener).ok_or_else(|| Error::new(ErrorKind::Closed, "the listener is closed"))?;
        listener::publish(hub, id, listening, topic.unwrap_or_default(), message)
    })
}

/// What a listener has counted; nothing when JavaScript has let go of it.
#[napi]
pub fn counters(environment: u32, listener: u32) -> Option<CountersObject> {
    hub::open_or_ended(environment)?.counters(listener).map(CountersObject::from)
}

/// Closes a listener; one that ended with its environment is closed.
#[napi]
pub fn close<'env>(env: &'env Env, environment: u32, id: u32, listener: u32) -> napi::Result<Unknown<'env>> {
    let Ok(hub) = hub(environment) else { return convert::started(env, Some(Ok(Outcome::Nothing))) };
    let at_work = hub.at_work(listener);
    let listener = hub.listener(listener);
    let outcome = Call::start(&hub, id, async move {
        match listener {
            Some(listening) => on_loop::close(&listening, at_work).await.map(|()| Outcome::Nothing),
            None => Ok(Outcome::Nothing),
        }
    });
    convert::started(env, outcome)
}

/// Lets go of a listener that has closed.
#[napi]
pub fn release(env: &Env, environment: u32, listener: u32) {
    if let Ok(hub) = hub(environment) {
        let _on_the_runtime = hub.runtime.enter();
        drop(hub.take_listener(listener));
        if let Some(on_loop) = hub.take_on_loop(listener) {
            on_loop.close(env);
        }
    }
}

/// Answers a message.
#[napi]
pub fn answer(environment: u32, id: u32, body: Body<'_>) {
    if let Ok(hub) = hub(environment) {
        let _on_the_runtime = hub.runtime.enter();
        if let Some(running) = hub.settle(id) {
            running.respond(&convert::message(body));
        }
    }
}

/// Says that the handler has taken a broadcast.
#[napi]
pub fn settle(environment: u32, id: u32) {
    if let Ok(hub) = hub(environment) {
        let _on_the_runtime = hub.runtime.enter();
        if let Some(running) = hub.settle(id) {
            running.respond(&Message::null());
        }
    }
}

/// Says that the handler failed, and why, with a code and JSON text where it did so on purpose; tells whether a caller
/// hears of it.
#[napi]
pub fn fail(environment: u32, id: u32, why: String, code: Option<String>, data: Option<String>) -> bool {
    let Ok(hub) = hub(environment) else { return false };
    let _on_the_runtime = hub.runtime.enter();
    let mut failure = HandlerFailure::new(why);
    if let Some(code) = code {
        failure = failure.code(code);
    }
    if let Some(data) = data {
        // JavaScript has made the text with JSON.stringify.
        failure = failure.clone().data_json(data).unwrap_or(failure);
    }
    hub.settle(id).is_some_and(|running| running.fail(failure))
}

/// Begins the answer to a message as a sequence; tells whether its caller wants one. If not, the caller is told, and the message
/// is settled.
#[napi]
pub fn reply(environment: u32, id: u32) -> bool {
    let Ok(hub) = hub(environment) else { return false };
    let _on_the_runtime = hub.runtime.enter();
    reply::begin(&hub, id).is_ok()
}

/// Sends an item of an answer; JavaScript has one such call of a message at a time.
#[napi]
pub fn reply_send<'env>(
    env: &'env Env,
    environment: u32,
    id: u32,
    message: u32,
    body: Body<'_>,
) -> napi::Result<Unknown<'env>> {
    let item = convert::message(body);
    call(env, environment, |hub| reply::send(hub, id, message, item))
}

/// Ends an answer that is a sequence.
#[napi]
pub fn end_reply(environment: u32, id: u32) {
    if let Ok(hub) = hub(environment) {
        let _on_the_runtime = hub.runtime.enter();
        if let Some(running) = hub.settle(id) {
            running.end();
        }
    }
}

/// The next item of a message's caller; JavaScript has one such call of a message at a time.
#[napi]
pub fn items_next<'env>(env: &'env Env, environment: u32, id: u32, message: u32) -> napi::Result<Unknown<'env>> {
    call(env, environment, |hub| reply::next_item(hub, id, message))
}

/// Asks to be told when nobody waits for the answer to this message any more.
#[napi]
pub fn watch(environment: u32, id: u32) {
    if let Ok(hub) = hub(environment) {
        listener::watch(&hub, id);
    }
}

/// What is ready, after the loop has turned.
#[napi]
pub fn resume(environment: u32) -> Batch {
    hub(environment).map_or_else(|_| Batch::default(), |hub| hub.resume())
}

/// The live channels: `[list]` or `[undefined, error]`.
#[napi]
pub fn channels<'env>(env: &'env Env, directory: Option<String>) -> napi::Result<Unknown<'env>> {
    let found = simple_ipc::channels(directory.as_deref().map(std::path::Path::new));
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 and subscribers are far below 2^53")]
    let object = |info: simple_ipc::ChannelInfo| ChannelObject {
        channel: info.channel,
        address: info.address,
        mode: or_null(info.mode.map(|mode| mode.name().to_owned())),
        pid: or_null(info.pid),
        started: or_null(info.started_ms.map(|ms| ms as f64)),
        version: or_null(info.version),
        publishes: info.publishes,
        subscribers: or_null(info.subscribers.map(|count| count as f64)),
    };
    convert::result(env, found.map(|found| found.into_iter().map(object).collect::<Vec<_>>()))
}

fn or_null<T>(value: Option<T>) -> Either<T, Null> {
    value.map_or(Either::B(Null), Either::A)
}

/// Ends everything that is open, as the environment's end does; at the end of the `process`, everywhere in it.
#[napi]
pub fn end(environment: u32, process: bool) {
    if process {
        Hub::end_all();
    } else if let Ok(hub) = hub(environment) {
        hub.end();
    }
}
