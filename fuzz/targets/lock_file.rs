//! What a lock file says.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| simple_ipc::fuzzing::lock_file(data));
