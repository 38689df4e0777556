//! The body of a subscribe frame.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| simple_ipc::fuzzing::subscribe(data));
