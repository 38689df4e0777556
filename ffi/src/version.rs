//! Which library this is.

use std::ffi::{CStr, c_char};

/// The number of the binary interface that the header describes; `sipc_abi_version` gives the
/// library's. It is part of the shared library's name.
pub const SIPC_ABI_VERSION: u32 = 0;

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => unreachable!(),
};

/// The library's version, such as "0.1.0". Never NULL; static.
#[unsafe(no_mangle)]
pub extern "C" fn sipc_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The library's binary interface. A program that finds another number than its header's
/// `SIPC_ABI_VERSION` must not call anything else.
#[unsafe(no_mangle)]
pub extern "C" fn sipc_abi_version() -> u32 {
    SIPC_ABI_VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_abi_number_is_the_one_in_the_librarys_name() {
        assert_eq!(SIPC_ABI_VERSION.to_string(), include_str!("../abi_version").trim());
        assert_eq!(sipc_abi_version(), SIPC_ABI_VERSION);
    }

    #[test]
    fn the_version_is_the_packages() {
        // SAFETY: a static string.
        let version = unsafe { CStr::from_ptr(sipc_version()) };
        assert_eq!(version.to_str().unwrap(), env!("CARGO_PKG_VERSION"));
    }
}
