//! The dialects without sessions: one message a connection.

pub(super) mod connection;
pub(super) mod deno;
pub(super) mod deno_fast;
pub(super) mod text;
