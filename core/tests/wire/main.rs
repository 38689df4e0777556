//! The library from outside, byte by byte: raw sockets against its listeners, stand-ins against its
//! clients, whole processes against its lock file.
//!
//! What is for Unix alone has stand-ins on Unix sockets. On Windows listeners are on ports.

#[cfg(unix)]
mod asked;
#[cfg(unix)]
mod attached;
mod bounds;
#[cfg(unix)]
mod deno_callers;
#[cfg(unix)]
mod deno_replies;
#[cfg(unix)]
mod descriptors;
#[cfg(unix)]
mod fake;
#[cfg(unix)]
mod fake_listener;
#[cfg(target_os = "linux")]
mod given_memory;
mod golden;
#[cfg(unix)]
mod listener_sessions;
#[cfg(unix)]
mod one_listener;
#[cfg(unix)]
mod original;
#[cfg(unix)]
mod published_locks;
#[cfg_attr(windows, expect(dead_code, reason = "stand-ins on Unix sockets use the rest"))]
mod raw;
mod raw_crowd;
mod raw_deno;
mod raw_native;
mod raw_publications;
#[cfg(target_os = "linux")]
mod raw_sharing;
mod raw_streams;
mod raw_text;
mod scratch;
#[cfg(unix)]
mod sessions_end;
#[cfg(unix)]
mod stream_vectors;
#[cfg(unix)]
mod subscribers;
mod subscription_vectors;
#[cfg(unix)]
mod typed_streams;
mod vectors;
#[path = "../support/watchdog.rs"]
mod watchdog;
