//! A connection of any of the three dialects, told by its first byte.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| simple_ipc::fuzzing::connection(data));
