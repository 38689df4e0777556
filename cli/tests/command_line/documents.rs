//! Help texts, man pages and completions.

use crate::scratch::{Running, Scratch};

/// The help texts as they were last looked at. After a change that is meant:
/// `simple-ipc post --help > cli/tests/command_line/help/post.txt`, and so on.
const HELP: [(&[&str], &str); 13] = [
    (&["--help"], include_str!("help/simple-ipc.txt")),
    (&["listen", "--help"], include_str!("help/listen.txt")),
    (&["post", "--help"], include_str!("help/post.txt")),
    (&["stream", "--help"], include_str!("help/stream.txt")),
    (&["publish", "--help"], include_str!("help/publish.txt")),
    (&["subscribe", "--help"], include_str!("help/subscribe.txt")),
    (&["ls", "--help"], include_str!("help/ls.txt")),
    (&["clean", "--help"], include_str!("help/clean.txt")),
    (&["ping", "--help"], include_str!("help/ping.txt")),
    (&["stats", "--help"], include_str!("help/stats.txt")),
    (&["tap", "--help"], include_str!("help/tap.txt")),
    (&["bench", "--help"], include_str!("help/bench.txt")),
    (&["doctor", "--help"], include_str!("help/doctor.txt")),
];

#[test]
fn help_texts_change_only_when_that_is_meant() {
    for (arguments, expected) in HELP {
        let outcome = Scratch::new().run(arguments);
        assert_eq!(outcome.text(), expected, "{arguments:?}");
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    }
}

#[test]
fn version_is_the_packages() {
    Scratch::new().run(["--version"]).printed(concat!("simple-ipc ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn man_pages_and_completions_are_generated() {
    let scratch = Scratch::new();
    scratch.run(["generate", "."]).printed("");
    let mut files: Vec<String> = std::fs::read_dir(scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(
        files,
        [
            "_simple-ipc",
            "simple-ipc-bench.1",
            "simple-ipc-bridge.1",
            "simple-ipc-clean.1",
            "simple-ipc-doctor.1",
            "simple-ipc-listen.1",
            "simple-ipc-ls.1",
            "simple-ipc-ping.1",
            "simple-ipc-post.1",
            "simple-ipc-publish.1",
            "simple-ipc-stats.1",
            "simple-ipc-stream.1",
            "simple-ipc-subscribe.1",
            "simple-ipc-tap.1",
            "simple-ipc.1",
            "simple-ipc.bash",
            "simple-ipc.fish",
        ]
    );
    let read = |name: &str| std::fs::read_to_string(scratch.path().join(name)).unwrap();
    for page in files.iter().filter(|name| name.ends_with(".1")) {
        let text = read(page);
        assert!(text.contains(&format!(".TH {} 1", page.trim_end_matches(".1"))), "{page}");
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH \"EXIT STATUS\"", ".SH ENVIRONMENT", ".SH \"SEE ALSO\""] {
            assert!(text.contains(section), "{page} has no {section}");
        }
    }
    for (completion, mark) in [
        ("simple-ipc.bash", " -F _clap_complete_simple_ipc simple-ipc"),
        ("_simple-ipc", "#compdef simple-ipc"),
        ("simple-ipc.fish", "complete --keep-order --exclusive --command simple-ipc "),
    ] {
        let text = read(completion);
        assert!(text.contains(mark) && text.contains("SIMPLE_IPC_COMPLETE"), "{completion}: {text}");
        assert!(!text.contains(env!("CARGO_BIN_EXE_simple-ipc")), "{completion} goes by the path of whoever uses it");
    }
}

/// What bash completes a line with, whose last word is begun.
fn completed(scratch: &Scratch, line: &str) -> Vec<String> {
    let script = format!(
        "source ./simple-ipc.bash
         COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_TYPE=9
         _clap_complete_simple_ipc simple-ipc \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let mut bash = std::process::Command::new("bash");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_simple-ipc")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    bash.args(["-c", &script]).current_dir(scratch.path()).env("PATH", path).env("SIMPLE_IPC_DIR", scratch.path());
    let outcome = Running::start(bash, b"").outcome();
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{line}");
    outcome.text().lines().map(|word| word.trim_end().to_owned()).filter(|word| !word.is_empty()).collect()
}

#[test]
fn bash_completes_verbs_options_and_values() {
    let scratch = Scratch::new();
    scratch.run(["generate", "."]).printed("");
    for (line, expected) in [
        ("simple-ipc p", &["post", "publish", "ping"][..]),
        ("simple-ipc post --ti", &["--timeout"]),
        ("simple-ipc listen x --e", &["--echo", "--exec"]),
        ("simple-ipc post x --wire n", &["native"]),
        ("simple-ipc ls --path-style v0.0.1", &["v0.0.1", "v0.0.14"]),
        ("simple-ipc gen", &["generate"]),
    ] {
        let words = completed(&scratch, line);
        assert!(expected.iter().all(|word| words.iter().any(|offered| offered == word)), "{line}: {words:?}");
        assert!(words.len() <= expected.len(), "{line}: {words:?}");
    }
}

#[test]
fn bash_completes_the_names_of_live_channels() {
    let scratch = Scratch::new();
    scratch.run(["generate", "."]).printed("");
    assert_eq!(completed(&scratch, "simple-ipc post bu"), [""; 0]);
    let _listening = scratch.listen(["build", "--echo"]);
    let other = scratch.listen(["bugs", "--broadcast"]);
    for verb in ["post", "stream", "subscribe", "ping", "stats", "tap", "bench", "doctor"] {
        assert_eq!(completed(&scratch, &format!("simple-ipc {verb} bu")), ["bugs", "build"], "{verb}");
    }
    other.close();
    assert_eq!(completed(&scratch, "simple-ipc post bu"), ["build"]);
    assert_eq!(completed(&scratch, "simple-ipc --dir nowhere post bu"), [""; 0], "the line's own directory");
}

#[test]
fn a_directory_that_does_not_exist_gets_no_documents() {
    let outcome = Scratch::new().run(["generate", "nowhere"]);
    outcome.refused(6, "simple-ipc: cannot write to nowhere: No such file or directory (os error 2)");
}
