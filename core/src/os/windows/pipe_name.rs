//! What the pipe of a channel is called.
//!
//! A channel's name in the system's own directory is `\\.\pipe\deno.NAME`. Pipes have no directories: in any other one, and for a path, the
//! name says which by a number that is made of the whole path.

use std::path::{Path, PathBuf};

use crate::channel::DEFAULT_DIRECTORY;

/// How much of a file's name stands in that of its pipe, in characters: a pipe's name has room for 247.
const SHOWN: usize = 120;

/// The name of the pipe that stands for a channel's path, with a zero at its end.
pub(super) fn of(path: &Path) -> Vec<u16> {
    text_of(path).encode_utf16().chain([0]).collect()
}

pub(super) fn text_of(path: &Path) -> String {
    let whole = absolute(path);
    let file = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = file.strip_prefix(".deno.").and_then(|name| name.strip_suffix(".socket"));
    if let Some(name) = name
        && whole.parent().is_some_and(|parent| folded(parent) == folded(&absolute(Path::new(DEFAULT_DIRECTORY))))
    {
        return format!(r"\\.\pipe\deno.{name}");
    }
    let shown: String = file.chars().take(SHOWN).collect();
    format!(r"\\.\pipe\simple-ipc.{:016x}.{shown}", number_of(&folded(&whole)))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The same text for each way to write one path: case tells no files apart.
fn folded(path: &Path) -> String {
    path.to_string_lossy().to_lowercase()
}

/// FNV-1a, 64 bits. Two paths of one number would be found out: the pipe's process is not the one in the lock file.
fn number_of(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pipe_of_a_name_is_the_originals_and_another_directorys_is_another_one() {
        assert_eq!(text_of(Path::new("C:/Windows/Temp/.deno.build.socket")), r"\\.\pipe\deno.build");
        assert_eq!(text_of(Path::new(r"c:\windows\TEMP\.deno.build.socket")), r"\\.\pipe\deno.build");
        let one = text_of(Path::new(r"C:\one\.deno.build.socket"));
        assert!(one.starts_with(r"\\.\pipe\simple-ipc.") && one.ends_with(".deno.build.socket"), "{one}");
        assert_eq!(one, text_of(Path::new(r"c:/ONE/.deno.build.socket")));
        assert_ne!(one, text_of(Path::new(r"C:\two\.deno.build.socket")));
        assert!(text_of(&Path::new(r"C:\one").join("x".repeat(200))).len() < 256);
    }
}
