//! What a shell completes: it asks this command, which knows its verbs, its options, and the channels that live.

use std::ffi::OsStr;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::CompleteEnv;
use clap_complete::engine::CompletionCandidate;

use crate::arguments::Arguments;

/// In its environment a shell asks for completions: the name of the shell.
pub(crate) const VARIABLE: &str = "SIMPLE_IPC_COMPLETE";

/// Where a shell asks what a line may go on with, answers it, and ends.
pub(crate) fn answer_the_shell() {
    CompleteEnv::with_factory(Arguments::command).var(VARIABLE).complete();
}

/// The live channels whose names begin so, with who listens.
pub(crate) fn live_channels(begun: &OsStr) -> Vec<CompletionCandidate> {
    let Some(begun) = begun.to_str() else { return Vec::new() };
    let words: Vec<_> = std::env::args_os().collect();
    // A directory that cannot be read has no channels to offer.
    let channels = simple_ipc::channels(directory(&words)).unwrap_or_default();
    let live = channels.into_iter().filter(|info| info.channel.starts_with(begun));
    live.map(|info| {
        let mode = info.mode.map_or("unknown", simple_ipc::Mode::name);
        let who = info.pid.map_or_else(|| mode.to_owned(), |pid| format!("{mode}, pid {pid}"));
        CompletionCandidate::new(info.channel).help(Some(who.into()))
    })
    .collect()
}

/// The directory that the line names so far.
fn directory(words: &[impl AsRef<OsStr>]) -> Option<&Path> {
    let words: Vec<&OsStr> = words.iter().map(AsRef::as_ref).collect();
    let after = words.windows(2).rev().find(|pair| pair[0] == "--dir").map(|pair| pair[1]);
    let joined = || words.iter().rev().find_map(|word| word.to_str()?.strip_prefix("--dir=")).map(OsStr::new);
    after.or_else(joined).map(Path::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_the_last_that_the_line_names() {
        for (line, expected) in [
            ("simple-ipc post", None),
            ("simple-ipc --dir /a post", Some("/a")),
            ("simple-ipc --dir=/a post", Some("/a")),
            ("simple-ipc --dir /a post --dir /b x", Some("/b")),
            ("simple-ipc post --dir", None),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(directory(&words), expected.map(Path::new), "{line}");
        }
    }
}
