//! What a publisher sends to a subscriber, cut in three ways.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| simple_ipc::fuzzing::subscription(data));
