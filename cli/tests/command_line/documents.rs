//! Help texts, man pages and completions.

use crate::scratch::{Running, Scratch};

/// The help texts as they were last looked at. After a change that is meant:
/// `simple-ipc post --help > cli/tests/command_line/help/post.txt`, and so on.
const HELP: [(&[&str], &str); 9] = [
    (&["--help"], include_str!("help/simple-ipc.txt")),
    (&["listen", "--help"], include_str!("help/listen.txt")),
    (&["post", "--help"], include_str!("help/post.txt")),
    (&["stream", "--help"], include_str!("help/stream.txt")),
    (&["publish", "--help"], include_str!("help/publish.txt")),
    (&["subscribe", "--help"], include_str!("help/subscribe.txt")),
    (&["ls", "--help"], include_str!("help/ls.txt")),
    (&["clean", "--help"], include_str!("help/clean.txt")),
    (&["ping", "--help"], include_str!("help/ping.txt")),
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
            "simple-ipc-bridge.1",
            "simple-ipc-clean.1",
            "simple-ipc-listen.1",
            "simple-ipc-ls.1",
            "simple-ipc-ping.1",
            "simple-ipc-post.1",
            "simple-ipc-publish.1",
            "simple-ipc-stream.1",
            "simple-ipc-subscribe.1",
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
        ("simple-ipc.bash", "complete -F _simple__ipc "),
        ("_simple-ipc", "#compdef simple-ipc"),
        ("simple-ipc.fish", "complete -c simple-ipc "),
    ] {
        let text = read(completion);
        assert!(text.contains(mark) && text.contains("path-style") && !text.contains("generate"), "{completion}");
    }
}

#[test]
fn bash_completes_verbs_options_and_values() {
    let scratch = Scratch::new();
    scratch.run(["generate", "."]).printed("");
    for (words, expected) in [
        ("simple-ipc p", "post publish ping"),
        ("simple-ipc post --ti", "--timeout"),
        ("simple-ipc listen x --e", "--echo --exec"),
        ("simple-ipc post x --wire n", "native"),
        ("simple-ipc ls --path-style v0.0.1", "v0.0.1 v0.0.14"),
    ] {
        let script = format!(
            "source ./simple-ipc.bash
             COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
             $(complete -p simple-ipc | sed 's/.*-F \\([^ ]*\\).*/\\1/') simple-ipc \
                 \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"
             echo \"${{COMPREPLY[*]}}\""
        );
        let mut bash = std::process::Command::new("bash");
        bash.args(["-c", &script]).current_dir(scratch.path());
        Running::start(bash, b"").outcome().printed(&format!("{expected}\n"));
    }
}

#[test]
fn a_directory_that_does_not_exist_gets_no_documents() {
    let outcome = Scratch::new().run(["generate", "nowhere"]);
    outcome.refused(6, "simple-ipc: cannot write to nowhere: No such file or directory (os error 2)");
}
