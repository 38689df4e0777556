//! What `blocking` and the crate's root offer in the same words: the typed listens and posts, and what a listener says
//! of itself. A macro stands for each, since rustdoc is to show every function where it is.

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

#[cfg(feature = "tokio")]
pub(crate) use {listen_functions, listener_methods};
pub(crate) use {post_functions, subscribe_functions};
