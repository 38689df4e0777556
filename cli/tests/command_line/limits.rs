//! The library's options as the command has them, each with what it changes.

use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use crate::scratch::{Running, Scratch};

#[test]
fn the_largest_message_is_that_of_both_sides() {
    let scratch = Scratch::new();
    let _small = scratch.listen(["small", "--echo", "--max-message", "1KiB"]);
    let _large = scratch.listen(["large", "--echo", "--max-message", "100MiB"]);
    let text = "x".repeat(2000);
    for arguments in
        [&["post", "small", &text, "--text"][..], &["post", "large", &text, "--text", "--max-message", "1000"]]
    {
        let outcome = scratch.run(arguments);
        assert_eq!((outcome.status, outcome.text()), (4, ""));
        assert!(
            outcome.stderr.ends_with(" (--max-message)\n") && outcome.stderr.lines().count() == 1,
            "{}",
            outcome.stderr
        );
    }
    scratch.run(["post", "large", &text, "--text"]).printed(&format!("\"{text}\"\n"));
    // What is printed is as large again in base64.
    let quiet = scratch.command(["listen", "quiet", "--echo", "--quiet", "--once", "--max-message", "65MiB"]);
    let quiet = Running::start(quiet, b"");
    let huge = vec![b'x'; 65 << 20];
    let post = ["post", "quiet", "-", "--bytes", "--wait", "60s", "--max-message", "65MiB"];
    let outcome = scratch.run_with(post, &huge);
    assert_eq!((outcome.status, outcome.stdout.len()), (0, huge.len()));
    assert_eq!(quiet.outcome().status, 0);
    assert_eq!(scratch.run_with(["post", "large", "-", "--bytes"], &huge).status, 4);
}

#[test]
fn the_socket_has_the_permission_bits_that_were_asked_for() {
    let scratch = Scratch::new();
    let mode = |name: &str| std::fs::metadata(scratch.socket(name)).unwrap().permissions().mode() & 0o777;
    let _default = scratch.listen(["default", "--echo"]);
    let _open = scratch.listen(["open", "--echo", "--mode", "0666", "--allow-anyone"]);
    assert_eq!((mode("default"), mode("open")), (0o600, 0o666));
}

#[test]
fn who_is_not_allowed_is_refused_and_the_option_named() {
    let scratch = Scratch::new();
    // Root is always allowed.
    if rustix::process::geteuid().is_root() {
        let listening = scratch.listen(["x", "--echo", "--allow-user", "1", "--allow-user", "0"]);
        scratch.run(["post", "x", "1", "--allow-user", "1"]).printed("1\n");
        listening.close();
        return;
    }
    let _listening = scratch.listen(["x", "--echo"]);
    let outcome = scratch.run(["post", "x", "1", "--allow-user", "1"]);
    assert_eq!((outcome.status, outcome.text()), (3, ""));
    assert!(outcome.stderr.ends_with(" (--allow-user)\n"), "{}", outcome.stderr);
}

#[test]
fn a_listener_that_closes_waits_as_long_as_it_was_told() {
    let scratch = Scratch::new();
    let script = ": > began; while [ ! -e go ]; do sleep 0.02; done; echo 1";
    let listening = scratch.listen(["x", "--grace", "none", "--exec", "sh", "-c", script]);
    let post = Running::start(scratch.command(["post", "x"]), b"");
    while !scratch.path().join("began").exists() {
        std::thread::yield_now();
    }
    listening.signal(Signal::TERM);
    while scratch.socket("x").exists() {
        std::thread::yield_now();
    }
    std::fs::write(scratch.path().join("go"), "").unwrap();
    post.outcome().printed("1\n");
    assert_eq!(listening.end().0.code(), Some(0));
}

#[test]
fn a_listener_with_its_hands_full_names_the_option() {
    let scratch = Scratch::new();
    let script = "while [ ! -e go ]; do sleep 0.02; done; echo 1";
    let listening = scratch.listen(["x", "--max-in-flight=1", "--threads=1", "--exec", "sh", "-c", script]);
    let posts: Vec<Running> = (0..4).map(|_| Running::start(scratch.command(["post", "x"]), b"")).collect();
    let warning = listening.error_line();
    assert!(warning.starts_with("simple-ipc: ") && warning.ends_with(" (--max-in-flight)"), "{warning}");
    std::fs::write(scratch.path().join("go"), "").unwrap();
    for post in posts {
        post.outcome().printed("1\n");
    }
}

#[test]
fn a_listener_takes_every_limit() {
    let scratch = Scratch::new();
    let listening = scratch.listen([
        "x",
        "--echo",
        "--threads=2",
        "--max-connections=5",
        "--max-in-flight=1",
        "--max-session-in-flight=1",
        "--max-waiting=1MiB",
        "--max-session-waiting=64k",
        "--hello-timeout=5s",
        "--stall-timeout=none",
        "--check-interval=1s",
        "--plain-text=no",
        "--spin=0s",
        "--shared-memory=1MiB",
        "--grace=1s",
    ]);
    let input: String = (0..200).map(|n| format!("{n}\n")).collect();
    scratch.run_with(["post", "x", "-", "--lines", "--shared-memory=1MiB"], input.as_bytes()).printed(&input);
    let stats = scratch.run(["stats", "x"]);
    assert!(stats.text().contains("bytes shared with clients, of at most 1048576\n"), "{}", stats.text());
    // Plain text is not taken.
    let mut socket = std::os::unix::net::UnixStream::connect(scratch.socket("x")).unwrap();
    std::io::Write::write_all(&mut socket, b"hello\n").unwrap();
    let mut answer = Vec::new();
    let _closed = std::io::Read::read_to_end(&mut socket, &mut answer);
    assert!(answer.is_empty());
    listening.close();
    let outcome = scratch.run(["listen", "x", "--echo", "--threads", "0"]);
    assert_eq!((outcome.status, outcome.text()), (2, ""));
}
