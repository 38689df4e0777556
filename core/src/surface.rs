//! What `blocking` and the crate's root offer in the same words: the typed listens and posts, and what a listener says
//! of itself. A macro stands for each, since rustdoc is to show every function where it is.

use serde::Serialize;

/// The message that calls a method.
#[derive(Serialize)]
pub(crate) struct MethodCall<'a, P> {
    pub(crate) method: &'a str,
    pub(crate) params: P,
}

/// The methods of a `Listener { listening: ManuallyDrop<Arc<Listening>>, address: String }` that wait for nothing.
#[cfg(feature = "tokio")]
macro_rules! listener_methods {
    () => {
        impl Listener {
            /// The channel; for port 0 with the port that the system picked.
            pub fn channel(&self) -> &Channel {
                self.listening.channel()
            }

            /// The socket's path, or `127.0.0.1:port`.
            pub fn address(&self) -> &str {
                &self.address
            }

            /// The socket's path, unless it is a TCP channel.
            pub fn path(&self) -> Option<&Path> {
                self.listening.path()
            }

            /// The port, if it is a TCP channel.
            pub fn port(&self) -> Option<u16> {
                self.listening.channel().port()
            }

            /// Whether it answers.
            pub fn mode(&self) -> Mode {
                self.listening.mode()
            }

            /// The process that listens: a forked child of it does not.
            pub fn made_in(&self) -> fork::Process {
                fork::Process::of(self.listening.born())
            }

            /// What it has seen so far.
            pub fn counters(&self) -> Counters {
                self.listening.counters()
            }

            /// Publishes a raw message on a topic (an empty one is none) unless that would have to wait: `None`, where a
            /// subscriber with [`Overflow::Block`](crate::Overflow::Block) has no room now, and a later call is to try again.
            /// Otherwise as [`publish_message`](Listener::publish_message). Never waits: for event loops.
            pub fn try_publish_message<'a>(
                &self,
                topic: &str,
                message: impl Into<MessageRef<'a>>,
            ) -> Result<Option<usize>> {
                fork::check(self.listening.born(), "listener")?;
                self.listening.publication()?.try_publish(topic, message.into())
            }

            /// Counts so many events as missed by every subscriber, right before the next one that is published: for programs
            /// that pass on what another publisher publishes, of which they have missed some. Waits for nothing.
            ///
            /// A subscriber that gets all topics is told this number in [`Event::missed`](crate::Event::missed). One that gets
            /// some, or for which events wait, has its session ended after those; when it has come back by itself, it is
            /// told -1 in the first case, and the number of all that it missed meanwhile in the second. Fails as
            /// [`publish_message`](Listener::publish_message).
            pub fn publish_missed(&self, events: u64) -> Result<()> {
                fork::check(self.listening.born(), "listener")?;
                self.listening.publication()?.skip(events)
            }

            /// Stops taking messages and returns at once; what it has is answered in the background, within the grace
            /// period. [`close`](Listener::close) can wait for the end of that.
            pub fn close_begin(&self) -> Result<()> {
                fork::check(self.listening.born(), "listener")?;
                self.listening.close_in_background();
                Ok(())
            }
        }

        impl Drop for Listener {
            fn drop(&mut self) {
                if self.listening.born() != fork::generation() {
                    return; // Everything in it belongs to the parent.
                }
                self.listening.close_in_background();
                // SAFETY: it is not used again.
                unsafe { ManuallyDrop::drop(&mut self.listening) };
            }
        }
    };
}

/// What publishes: the methods of a `Listener`, with the name of the function of
/// [`Publication`](crate::server::publication::Publication) that waits as it does, and the functions that listen to publish.
#[cfg(feature = "tokio")]
macro_rules! publishing {
    (threads) => {
        publishing! { @all [] [] publish
            "It may wait in the calling thread; a signal that [`on_interrupt`](crate::blocking::on_interrupt) takes for an end \
             ends it, and then nothing is published." }
    };
    (tasks) => {
        publishing! { @all [async] [.await] publish_async
            "Dropping the future before it has completed gives it up: nothing is published then." }
    };
    (@all [$($async:tt)?] [$($await:tt)*] $waits:ident $given_up:literal) => {
        impl Listener {
            /// Publishes a value to all who subscribe to this listener now, on no topic. To how many subscribers it is due.
            ///
            /// As [`publish_message`](Listener::publish_message), which says when it waits and how it fails.
            pub $($async)? fn publish(&self, data: impl Serialize) -> Result<usize> {
                self.publish_to("", data)$($await)*
            }

            /// As [`publish`](Listener::publish), on a topic: at most 255 bytes, compared exactly.
            pub $($async)? fn publish_to(&self, topic: &str, data: impl Serialize) -> Result<usize> {
                let message = Message::json(&data)?;
                self.publish_message(topic, &message)$($await)*
            }

            /// Publishes a raw message on a topic; an empty one is none. To how many subscribers it is due: those that are
            /// there and whose topics let it through. It may have left, or wait for them at this listener.
            ///
            /// It waits only for subscribers with [`Overflow::Block`](crate::Overflow::Block) that have no room, at most as
            /// long as [`Options::patience`](crate::Options::patience); those that still have none are cut off. Any number
            /// of threads may publish: all subscribers get the events in one order.
            ///
            /// Fails with [`ErrorKind::WrongMode`](crate::ErrorKind::WrongMode) where the listener does not publish (it
            /// needs [`Options::publish`](crate::Options::publish), or a call that listens to publish), with
            /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a topic of more than 255 bytes,
            /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) for a message of more than
            /// [`Options::max_message`](crate::Options::max_message),
            /// [`ErrorKind::OutOfResources`](crate::ErrorKind::OutOfResources) where
            /// [`Options::retain`](crate::Options::retain) has no room for it, and with
            /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) once the listener closes. Nothing is published then.
            ///
            #[doc = $given_up]
            pub $($async)? fn publish_message<'a>(
                &self,
                topic: &str,
                message: impl Into<MessageRef<'a>>,
            ) -> Result<usize> {
                fork::check(self.listening.born(), "listener")?;
                self.listening.publication()?.$waits(topic, message.into())$($await)*
            }
        }

        publishing! { @listen [$($async)?] [$($await)*] uds(channel: &str) "a Unix-socket channel"
            listen_uds_publish listen_uds_publish_with }
        publishing! { @listen [$($async)?] [$($await)*] ip(port: u16) "a port of 127.0.0.1; 0 lets the system pick one"
            listen_ip_publish listen_ip_publish_with }
    };
    (@listen [$($async:tt)?] [$($await:tt)*] $new:ident($place:ident: $type:ty) $on:literal $name:ident $with:ident) => {
        #[doc = concat!("Publishes on ", $on, ".\n\nThe listener takes subscribers, and neither requests nor broadcasts.")]
        pub $($async)? fn $name($place: $type) -> Result<Listener> {
            $with($place, &Options::default())$($await)*
        }

        #[doc = concat!("As [`", stringify!($name), "`], with options.")]
        pub $($async)? fn $with($place: $type, options: &Options) -> Result<Listener> {
            Listener::serve_publish(&Channel::$new($place)?, options)$($await)*
        }
    };
}

/// The functions that listen by a name or a port. `threads` are plain functions, `tasks` asynchronous ones; the texts say
/// what holds for handlers.
#[cfg(feature = "tokio")]
macro_rules! listen_functions {
    ($kind:ident, $requests:literal, $broadcasts:literal) => {
        listen_functions! { @one $kind [A] A Request uds(channel: &str) listen_uds_request listen_uds_request_with
            concat!("Answers requests on a Unix-socket channel.\n\n", $requests) }
        listen_functions! { @one $kind [] () Broadcast uds(channel: &str) listen_uds_broadcast listen_uds_broadcast_with
            concat!("Takes broadcasts on a Unix-socket channel.\n\n", $broadcasts) }
        listen_functions! { @one $kind [A] A Request ip(port: u16) listen_ip_request listen_ip_request_with
            concat!("Answers requests on a port of 127.0.0.1; 0 lets the system pick one.\n\n", $requests) }
        listen_functions! { @one $kind [] () Broadcast ip(port: u16) listen_ip_broadcast listen_ip_broadcast_with
            concat!("Takes broadcasts on a port of 127.0.0.1; 0 lets the system pick one.\n\n", $broadcasts) }
    };
    (@one threads [$($generic:ident)?] $answer:tt $mode:ident $new:ident($place:ident: $type:ty)
        $name:ident $with:ident $doc:expr) => {
        #[doc = $doc]
        pub fn $name<Q, $($generic,)? F>($place: $type, handler: F) -> Result<Listener>
        where
            Q: DeserializeOwned,
            $($generic: Serialize,)?
            F: Fn(Q) -> HandlerResult<$answer> + Send + Sync + 'static,
        {
            $with($place, &Options::default(), handler)
        }

        #[doc = concat!("As [`", stringify!($name), "`], with options.")]
        pub fn $with<Q, $($generic,)? F>($place: $type, options: &Options, handler: F) -> Result<Listener>
        where
            Q: DeserializeOwned,
            $($generic: Serialize,)?
            F: Fn(Q) -> HandlerResult<$answer> + Send + Sync + 'static,
        {
            Listener::typed(&Channel::$new($place)?, Mode::$mode, options, handler)
        }
    };
    (@one tasks [$($generic:ident)?] $answer:tt $mode:ident $new:ident($place:ident: $type:ty)
        $name:ident $with:ident $doc:expr) => {
        #[doc = $doc]
        pub async fn $name<Q, $($generic,)? F, Fut>($place: $type, handler: F) -> Result<Listener>
        where
            Q: DeserializeOwned + Send,
            $($generic: Serialize,)?
            F: Fn(Q) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = HandlerResult<$answer>> + Send + 'static,
        {
            $with($place, &Options::default(), handler).await
        }

        #[doc = concat!("As [`", stringify!($name), "`], with options.")]
        pub async fn $with<Q, $($generic,)? F, Fut>($place: $type, options: &Options, handler: F) -> Result<Listener>
        where
            Q: DeserializeOwned + Send,
            $($generic: Serialize,)?
            F: Fn(Q) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = HandlerResult<$answer>> + Send + 'static,
        {
            Listener::typed(&Channel::$new($place)?, Mode::$mode, options, handler)
        }
    };
}

/// The functions that listen for streams, by a name or a port: `threads` or `tasks`.
#[cfg(feature = "tokio")]
macro_rules! listen_streams {
    ($kind:ident $how:literal) => {
        listen_streams! { @place $kind $how uds(channel: &str) "a Unix-socket channel" listen_uds_stream listen_uds_stream_with }
        listen_streams! { @place $kind $how ip(port: u16) "a port of 127.0.0.1; 0 lets the system pick one"
            listen_ip_stream listen_ip_stream_with }
    };
    (@place $kind:ident $how:literal $new:ident($place:ident: $type:ty) $on:literal $name:ident $with:ident) => {
        listen_streams! { @one $kind $new($place: $type) $name $with
            concat!("Answers requests on ", $on, " with sequences: a handler gets what opened the stream, and the items that \
                its caller sends, and returns the items that it answers with. The caller's own may be `()` where it reads none.\n\n",
                $how, "\n\nAn error among the items ends the stream behind those before it, as does one instead of them. A \
                request that opens no stream is answered with [`ErrorKind::WrongMode`](crate::ErrorKind::WrongMode).") }
    };
    (@one threads $new:ident($place:ident: $type:ty) $name:ident $with:ident $doc:expr) => {
        #[doc = $doc]
        pub fn $name<Q, T, A, I, F>($place: $type, handler: F) -> Result<Listener>
        where
            Q: DeserializeOwned,
            T: DeserializeOwned,
            A: Serialize,
            I: IntoIterator<Item = HandlerResult<A>>,
            F: Fn(Q, Items<T>) -> HandlerResult<I> + Send + Sync + 'static,
        {
            $with($place, &Options::default(), handler)
        }

        #[doc = concat!("As [`", stringify!($name), "`], with options.")]
        pub fn $with<Q, T, A, I, F>($place: $type, options: &Options, handler: F) -> Result<Listener>
        where
            Q: DeserializeOwned,
            T: DeserializeOwned,
            A: Serialize,
            I: IntoIterator<Item = HandlerResult<A>>,
            F: Fn(Q, Items<T>) -> HandlerResult<I> + Send + Sync + 'static,
        {
            Listener::streams(&Channel::$new($place)?, options, handler)
        }
    };
    (@one tasks $new:ident($place:ident: $type:ty) $name:ident $with:ident $doc:expr) => {
        #[doc = $doc]
        pub async fn $name<Q, T, A, S, F, Fut>($place: $type, handler: F) -> Result<Listener>
        where
            Q: DeserializeOwned + Send,
            T: DeserializeOwned,
            A: Serialize,
            S: futures_core::Stream<Item = HandlerResult<A>> + Send + 'static,
            F: Fn(Q, Items<T>) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = HandlerResult<S>> + Send + 'static,
        {
            $with($place, &Options::default(), handler).await
        }

        #[doc = concat!("As [`", stringify!($name), "`], with options.")]
        pub async fn $with<Q, T, A, S, F, Fut>($place: $type, options: &Options, handler: F) -> Result<Listener>
        where
            Q: DeserializeOwned + Send,
            T: DeserializeOwned,
            A: Serialize,
            S: futures_core::Stream<Item = HandlerResult<A>> + Send + 'static,
            F: Fn(Q, Items<T>) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = HandlerResult<S>> + Send + 'static,
        {
            Listener::streams(&Channel::$new($place)?, options, handler)
        }
    };
}

/// The functions that post by a name or a port. `threads` are plain functions, `tasks` asynchronous ones, with what
/// dropping their futures does.
macro_rules! post_functions {
    (threads) => {
        post_functions! { @both [] [] "" }
    };
    (tasks, $given_up:literal) => {
        post_functions! { @both [async] [.await] $given_up }
    };
    (@both $async:tt $await:tt $given_up:literal) => {
        post_functions! { @to $async $await uds(channel: &str) "a Unix-socket channel" $given_up
            post_uds_request post_uds_request_with post_uds_broadcast post_uds_broadcast_with }
        post_functions! { @to $async $await ip(port: u16) "a port of 127.0.0.1" $given_up
            post_ip_request post_ip_request_with post_ip_broadcast post_ip_broadcast_with }
    };
    (@to [$($async:tt)?] [$($await:tt)*] $new:ident($place:ident: $type:ty) $to:literal $given_up:literal
        $request:ident $request_with:ident $broadcast:ident $broadcast_with:ident) => {
        #[doc = concat!("Posts a request to ", $to, " and waits for its answer.", $given_up)]
        pub $($async)? fn $request<A: DeserializeOwned>($place: $type, data: impl Serialize) -> Result<A> {
            $request_with($place, data, &Options::default())$($await)*
        }

        #[doc = concat!("As [`", stringify!($request), "`], with options.")]
        pub $($async)? fn $request_with<A: DeserializeOwned>(
            $place: $type,
            data: impl Serialize,
            options: &Options,
        ) -> Result<A> {
            let message = Message::json(&data)?;
            // The handler has answered: what the caller makes of it does not undo that.
            let reply = post_request_unchecked(&Channel::$new($place)?, &message, options)$($await)*?;
            reply.decode().map_err(Error::after_sending)
        }

        #[doc = concat!("Posts a broadcast to ", $to, "; returns when the handler has it.")]
        pub $($async)? fn $broadcast($place: $type, data: impl Serialize) -> Result<()> {
            $broadcast_with($place, data, &Options::default())$($await)*
        }

        #[doc = concat!("As [`", stringify!($broadcast), "`], with options.")]
        pub $($async)? fn $broadcast_with($place: $type, data: impl Serialize, options: &Options) -> Result<()> {
            let message = Message::json(&data)?;
            post_broadcast(&Channel::$new($place)?, &message, options)$($await)*
        }
    };
}

/// The functions that subscribe, by a name, a port or any channel. With `[async] [.await]` they are asynchronous.
macro_rules! subscribe_functions {
    ([$($async:tt)?] [$($await:tt)*] $given_up:literal) => {
        subscribe_functions! { @place [$($async)?] [$($await)*] uds(channel: &str) "a Unix-socket channel" $given_up
            subscribe_uds subscribe_uds_with }
        subscribe_functions! { @place [$($async)?] [$($await)*] ip(port: u16) "a port of 127.0.0.1" $given_up
            subscribe_ip subscribe_ip_with }

        #[doc = concat!("Subscribes to what is published on any channel, as raw messages. A JSON body has been checked to \
            be JSON. Returns when what is published from then on is due.", $given_up)]
        pub $($async)? fn subscribe(channel: &Channel, options: &Options) -> Result<Subscription> {
            let decode = |message: Message| message.check().map(|()| message);
            Subscription::open(channel, options, decode)$($await)*
        }

        impl<T: DeserializeOwned> Subscription<T> {
            #[doc = concat!("Subscribes to what is published on any channel.", $given_up)]
            pub $($async)? fn typed(channel: &Channel, options: &Options) -> Result<Subscription<T>> {
                Subscription::open(channel, options, |message| message.decode())$($await)*
            }
        }
    };
    (@place [$($async:tt)?] [$($await:tt)*] $new:ident($place:ident: $type:ty) $to:literal $given_up:literal
        $name:ident $with:ident) => {
        #[doc = concat!("Subscribes to what is published on ", $to, ". Returns when what is published from then on is \
            due.", $given_up)]
        pub $($async)? fn $name<T: DeserializeOwned>($place: $type) -> Result<Subscription<T>> {
            $with($place, &Options::default())$($await)*
        }

        #[doc = concat!("As [`", stringify!($name), "`], with options.")]
        pub $($async)? fn $with<T: DeserializeOwned>($place: $type, options: &Options) -> Result<Subscription<T>> {
            Subscription::typed(&Channel::$new($place)?, options)$($await)*
        }
    };
}

/// The functions that open streams, by a name, a port or any channel. With `[async] [.await]` they are asynchronous.
macro_rules! stream_functions {
    ([$($async:tt)?] [$($await:tt)*] $given_up:literal) => {
        stream_functions! { @place [$($async)?] [$($await)*] uds(channel: &str) "a Unix-socket channel" $given_up
            post_uds_stream post_uds_stream_with }
        stream_functions! { @place [$($async)?] [$($await)*] ip(port: u16) "a port of 127.0.0.1" $given_up
            post_ip_stream post_ip_stream_with }

        #[doc = concat!("Posts a raw message to any channel and opens a stream with it, of raw messages. A JSON item has \
            been checked to be JSON. Returns when its handler has begun.", $given_up)]
        pub $($async)? fn post_stream(channel: &Channel, opening: &Message, options: &Options) -> Result<ItemStream> {
            ItemStream::raw(channel, opening, options)$($await)*
        }

        impl ItemStream {
            pub(super) $($async)? fn raw(
                channel: &Channel,
                opening: &Message,
                options: &Options,
            ) -> Result<ItemStream> {
                let decode = |message: Message| message.check().map(|()| message);
                ItemStream::open(channel, opening, options, decode)$($await)*
            }
        }

        impl<T: DeserializeOwned> ItemStream<T> {
            pub(super) $($async)? fn typed(
                channel: &Channel,
                opening: &Message,
                options: &Options,
            ) -> Result<ItemStream<T>> {
                ItemStream::open(channel, opening, options, |message| message.decode())$($await)*
            }
        }
    };
    (@place [$($async:tt)?] [$($await:tt)*] $new:ident($place:ident: $type:ty) $to:literal $given_up:literal
        $name:ident $with:ident) => {
        #[doc = concat!("Posts a request to ", $to, " whose answer is a sequence, and which the caller may follow with a \
            sequence of its own. Returns when its handler has begun; where it answers with a single value, that is the one \
            item.", $given_up)]
        pub $($async)? fn $name<T: DeserializeOwned>($place: $type, data: impl Serialize) -> Result<ItemStream<T>> {
            $with($place, data, &Options::default())$($await)*
        }

        #[doc = concat!("As [`", stringify!($name), "`], with options.")]
        pub $($async)? fn $with<T: DeserializeOwned>(
            $place: $type,
            data: impl Serialize,
            options: &Options,
        ) -> Result<ItemStream<T>> {
            ItemStream::typed(&Channel::$new($place)?, &Message::json(&data)?, options)$($await)*
        }
    };
}

/// A `Client`'s methods that open streams. With `[async] [.await]` they are asynchronous.
macro_rules! client_streams {
    ([$($async:tt)?] [$($await:tt)*] $given_up:literal) => {
        impl Client {
            /// Opens a stream with a value, on a session of its own. Returns when its handler has begun.
            ///
            /// It has the client's options. Closing the client leaves it as it is.
            #[doc = $given_up]
            pub $($async)? fn stream<T: DeserializeOwned>(&self, data: impl Serialize) -> Result<ItemStream<T>> {
                let opening = Message::json(&data)?;
                ItemStream::typed(self.channel(), &opening, &self.0.stream_options(None)?)$($await)*
            }

            /// As [`stream`](Client::stream), with a raw message, of raw messages. Of `options`, where they are given, the
            /// timeout, the idle timeout and the cancellation count in place of the client's.
            pub $($async)? fn stream_message(
                &self,
                opening: &Message,
                options: Option<&Options>,
            ) -> Result<ItemStream> {
                ItemStream::raw(self.channel(), opening, &self.0.stream_options(options)?)$($await)*
            }

            /// As [`stream_message`](Client::stream_message), to be driven by its caller: returns at once.
            pub fn begin_stream(
                &self,
                opening: &Message,
                options: Option<&Options>,
            ) -> Result<crate::event_loop::ItemStream> {
                crate::event_loop::ItemStream::begin(self.channel(), opening, &self.0.stream_options(options)?)
            }
        }
    };
}

/// A `Client(Inner)`'s methods. `threads` are plain functions, `tasks` asynchronous ones; the texts say what dropping the
/// futures of requests does, and what `close` ends.
macro_rules! client_methods {
    (threads $inner:ident, $close:literal) => {
        client_methods! { @all [] [] ['a] [impl Into<MessageRef<'a>>] $inner "" $close }
    };
    (tasks $inner:ident, $given_up:literal, $close:literal) => {
        client_methods! { @all [async] [.await] [] [&Message] $inner $given_up $close }
    };
    (@all [$($async:tt)?] [$($await:tt)*] [$($life:lifetime)?] [$($message:tt)*] $inner:ident
        $given_up:literal $close:literal) => {
        impl Client {
            /// Connects to a channel. A listener of the Deno original is only looked for, not connected to.
            pub $($async)? fn connect(channel: &Channel, options: &Options) -> Result<Client> {
                $inner::open(channel, options)$($await)*.map(Client)
            }

            #[doc = concat!("Sends a request and waits for its answer, within the options' timeout.", $given_up)]
            pub $($async)? fn request<A: DeserializeOwned>(&self, data: impl Serialize) -> Result<A> {
                let message = Message::json(&data)?;
                let reply = self.named(self.0.request((&message).into(), self.timeout(), None)$($await)*)?;
                // The handler has answered: what the caller makes of it does not undo that.
                reply.decode().map_err(Error::after_sending)
            }

            /// Calls a function of a listener that has a table of them (see [`Methods`](crate::Methods)): a request
            /// `{"method": method, "params": params}`. Params that are a tuple or a slice go by position, those that are a
            #[doc = concat!("struct or a map by name.", $given_up)]
            pub $($async)? fn call<A: DeserializeOwned>(&self, method: &str, params: impl Serialize) -> Result<A> {
                self.request(MethodCall { method, params })$($await)*
            }

            /// Sends a raw request and waits for its answer, within `timeout`; `None` is without limit. A
            #[doc = concat!("JSON answer has been checked to be JSON.", $given_up)]
            pub $($async)? fn request_message$(<$life>)?(
                &self,
                message: $($message)*,
                timeout: Option<Duration>,
            ) -> Result<Message> {
                let reply = self.named(self.0.request(message.into(), timeout, None)$($await)*)?;
                reply.check().map_err(Error::after_sending)?;
                Ok(reply)
            }

            /// As [`request_message`](Client::request_message), with what a [`Call`] says: a timeout of its own, and what
            /// gives it up from anywhere.
            pub $($async)? fn request_message_with$(<$life>)?(
                &self,
                message: $($message)*,
                call: &Call,
            ) -> Result<Message> {
                let (timeout, caller) = (call.timeout_or(self.timeout()), call.cancellation.as_ref());
                let reply = self.named(self.0.request(message.into(), timeout, caller)$($await)*)?;
                reply.check().map_err(Error::after_sending)?;
                Ok(reply)
            }

            /// Sends a message that nobody answers, without waiting for its arrival; waits only while too much waits to be
            /// sent. Those that follow each other closely are sent together; [`flush`](Client::flush) makes sure of all.
            pub $($async)? fn broadcast(&self, data: impl Serialize) -> Result<()> {
                self.broadcast_message(&Message::json(&data)?)$($await)*
            }

            /// As [`broadcast`](Client::broadcast), with a raw message.
            pub $($async)? fn broadcast_message$(<$life>)?(&self, message: $($message)*) -> Result<()> {
                self.named(self.0.send_one_way(message.into())$($await)*)
            }

            /// Waits until every broadcast before it has been handed to the listener's handler.
            pub $($async)? fn flush(&self) -> Result<()> {
                self.flush_with(&Call::new())$($await)*
            }

            /// As [`flush`](Client::flush), with what a [`Call`] says. One that ends early says how many broadcasts were not
            /// confirmed; they are on their way all the same.
            pub $($async)? fn flush_with(&self, call: &Call) -> Result<()> {
                self.named(self.0.flush(call)$($await)*)
            }

            /// Asks the listener whether it is there, and says how long the answer took.
            pub $($async)? fn ping(&self) -> Result<Duration> {
                self.ping_with(&Call::new())$($await)*
            }

            /// As [`ping`](Client::ping), with what a [`Call`] says.
            pub $($async)? fn ping_with(&self, call: &Call) -> Result<Duration> {
                self.named(self.0.ping(call)$($await)*)
            }

            #[doc = $close]
            pub $($async)? fn close(&self) -> Result<()> {
                self.close_with(&Call::new())$($await)*
            }

            /// As [`close`](Client::close), with what a [`Call`] says for what is left to be flushed. When its time is over,
            /// or it is given up, the client is closed all the same; the error says how many broadcasts were not confirmed.
            pub $($async)? fn close_with(&self, call: &Call) -> Result<()> {
                self.named(self.0.close(call)$($await)*)
            }

            /// The channel.
            pub fn channel(&self) -> &Channel {
                self.0.channel()
            }

            /// Names the channel in an error.
            fn named<T>(&self, result: Result<T>) -> Result<T> {
                result.map_err(|error| error.on_channel(self.0.channel()))
            }

            /// How long a request may take unless told otherwise; `None` is without limit.
            pub fn timeout(&self) -> Option<Duration> {
                self.0.timeout()
            }
        }

        impl std::fmt::Debug for Client {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct("Client").field("channel", self.channel()).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use {client_methods, client_streams, post_functions, stream_functions, subscribe_functions};
#[cfg(feature = "tokio")]
pub(crate) use {listen_functions, listen_streams, listener_methods, publishing};
