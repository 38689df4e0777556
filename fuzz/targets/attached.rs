//! Where a body of JSON with bytes is taken apart.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| simple_ipc::fuzzing::attached(data));
