//! The command as its users meet it: the real binary, in scratch directories.

mod documents;
mod executing;
mod listening;
mod listing;
mod pinging;
mod posting;
mod refusals;
mod scratch;
