//! The command as its users meet it: the real binary, in scratch directories.

mod asking;
mod bridging;
mod cleaning;
mod documents;
mod examining;
mod executing;
mod limits;
mod lines;
mod listening;
mod listing;
mod pinging;
mod posting;
mod publishing;
mod refusals;
mod scratch;
mod streaming;
mod terminal;
mod watching;
