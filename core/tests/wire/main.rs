//! The library from outside, byte by byte: raw sockets against its listeners, stand-ins against its
//! clients, whole processes against its lock file.

mod asked;
mod bounds;
mod descriptors;
mod fake;
mod fake_listener;
mod golden;
mod listener_sessions;
mod one_listener;
mod original;
mod raw;
mod raw_deno;
mod raw_native;
mod raw_publications;
mod raw_streams;
mod raw_text;
mod scratch;
mod sessions_end;
mod stream_vectors;
mod subscribers;
mod subscription_vectors;
mod typed_streams;
mod vectors;
#[path = "../support/watchdog.rs"]
mod watchdog;
