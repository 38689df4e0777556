//! Channels as their users write them.
#![no_main]

libfuzzer_sys::fuzz_target!(|name: &str| simple_ipc::fuzzing::channel(name));
