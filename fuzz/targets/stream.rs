//! What a listener sends to the caller of a stream, cut in three ways.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| simple_ipc::fuzzing::stream(data));
