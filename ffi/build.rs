//! Gives the shared library its name and its place in a process.

use std::env;
use std::fs;

fn main() {
    println!("cargo::rerun-if-changed=abi_version");
    println!("cargo::rerun-if-changed=build.rs");
    let abi = fs::read_to_string("abi_version").expect("ffi/abi_version holds the ABI number");
    let abi: u32 = abi.trim().parse().expect("ffi/abi_version is a number");
    let system = env::var("CARGO_CFG_TARGET_OS");
    if system.as_deref() == Ok("macos") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libsimpleipc.{abi}.dylib");
    }
    if system.as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libsimpleipc.so.{abi}");
        // The library's threads run its code and its fork handler is registered for good, so
        // dlclose must leave the code where it is.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
