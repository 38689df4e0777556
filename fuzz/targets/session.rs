//! A hello and the frames of a native session, cut in three ways.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| simple_ipc::fuzzing::session(data));
