//! The dialects without sessions: one message a connection.

pub(crate) mod connection;
pub(crate) mod deno;
pub(crate) mod deno_fast;
pub(crate) mod text;
pub(crate) mod text_connection;
