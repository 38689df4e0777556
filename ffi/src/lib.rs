//! `libsimpleipc`: the C form of Simple IPC.
//!
//! Every module holds the functions of one noun of `include/simple_ipc.h`, which is generated from
//! them. A function here converts what C gave, calls core, and converts back; it decides nothing.
//!
//! Three things are the same for all exports. They run inside `boundary`, so that no panic and no
//! print gets out. What C hands in is checked by `argument`. What C holds by pointer is a
//! `handle::Handle`, so that a value can be freed only as what it was made as.

#![expect(non_camel_case_types, reason = "types have the names that C knows them by")]
#![expect(clippy::missing_safety_doc, reason = "the contract of all exports stands once, at the top of the header")]

mod argument;
mod boundary;
mod calls;
mod cancellation;
mod engine;
mod handle;
mod lock;

// In the order in which the header is to be read, which the lines between them keep from sorting.

pub mod status;

pub mod error;

pub mod message;

pub mod body;

pub mod options;

pub mod callback;

pub mod listen;

pub mod post;

pub mod listener;

pub mod publish;

pub mod responder;

pub mod client;

pub mod operation;

pub mod post_async;

pub mod subscribe;

pub mod post_stream;

pub mod stream;

pub mod queue;

pub mod discovery;

pub mod version;
