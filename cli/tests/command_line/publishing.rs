//! `publish`, `subscribe`, and `listen --broadcast --publish`.

use rustix::process::Signal;

use crate::scratch::{Listening, Outcome, Running, Scratch};

/// A publisher of these lines that waits for one subscriber.
fn publish(scratch: &Scratch, options: &[&str], lines: &str) -> Running {
    let arguments = ["publish", "news", "--wait-for", "1", "--quiet"];
    Running::start(scratch.command(arguments.iter().chain(options)), lines.as_bytes())
}

/// Subscribes until the publisher ends.
fn subscribe(scratch: &Scratch, options: &[&str]) -> Outcome {
    scratch.run(["subscribe", "news", "--quiet", "--wait", "none", "--reconnect", "0s"].iter().chain(options))
}

#[test]
fn each_line_is_an_event_and_all_are_delivered_before_the_publisher_ends() {
    let scratch = Scratch::new();
    let lines: String = (1..=1000).map(|line| format!("{line}\n")).collect();
    let publisher = publish(&scratch, &[], &lines);
    subscribe(&scratch, &[]).printed(&lines);
    publisher.outcome().printed("");
}

#[test]
fn blank_lines_are_passed_over_and_what_is_not_json_is_a_string() {
    let scratch = Scratch::new();
    let publisher = publish(&scratch, &[], "{\"a\" : 1.0}\n\n  \ntwo words\nlast without an end");
    subscribe(&scratch, &[]).printed("{\"a\":1.0}\n\"two words\"\n\"last without an end\"\n");
    let outcome = publisher.outcome();
    let note = "simple-ipc: line 4 is not JSON and is sent as the string \"two words\"; so is every other such line\n";
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, note));
}

#[test]
fn with_json_an_event_is_an_object() {
    let scratch = Scratch::new();
    let publisher = publish(&scratch, &["--topic", "eur"], "[1]\n");
    subscribe(&scratch, &["--json"]).printed("{\"data\":[1],\"topic\":\"eur\",\"missed\":0,\"retained\":false}\n");
    publisher.outcome().printed("");
}

#[test]
fn lines_can_be_text_or_bytes_and_broken_ones_can_be_refused() {
    let scratch = Scratch::new();
    let publisher = publish(&scratch, &["--text"], "1\n\n");
    subscribe(&scratch, &[]).printed("\"1\"\n\"\"\n");
    publisher.outcome().printed("");
    let publisher = publish(&scratch, &["--bytes"], "\u{1}\n");
    subscribe(&scratch, &["--json"]).printed("{\"bytes\":\"AQ==\",\"topic\":\"\",\"missed\":0,\"retained\":false}\n");
    publisher.outcome().printed("");
    let publisher = publish(&scratch, &["--strict"], "1\n{\n2\n");
    subscribe(&scratch, &[]).printed("1\n");
    let outcome = publisher.outcome();
    assert_eq!(outcome.status, 2, "{outcome:?}");
    assert!(outcome.stderr.starts_with("simple-ipc: cannot send line 2: "), "{outcome:?}");
}

#[test]
fn a_subscriber_can_name_its_topics_and_its_count() {
    let scratch = Scratch::new();
    let publisher = publish(&scratch, &["--topic", "eur"], "1\n2\n3\n");
    subscribe(&scratch, &["--topic", "usd", "--topic", "eur", "--count", "2"]).printed("1\n2\n");
    publisher.outcome().printed("");
    let publisher = publish(&scratch, &["--topic", "eur"], "1\n2\n3\n");
    subscribe(&scratch, &["--topic", "usd"]).printed("");
    publisher.outcome().printed("");
}

#[test]
fn a_hub_publishes_what_is_broadcast_to_it() {
    let scratch = Scratch::new();
    let hub = scratch.listen(["chat", "--broadcast", "--publish", "--retain"]);
    scratch.run(["post", "chat", "--broadcast", "\"hello\""]).printed("");
    assert_eq!(hub.line(), "\"hello\"");
    // It was retained, so that whoever comes later has it, too.
    for _ in 0..2 {
        let outcome = scratch.run(["subscribe", "chat", "--quiet", "--count", "1", "--json"]);
        outcome.printed("{\"data\":\"hello\",\"topic\":\"\",\"missed\":0,\"retained\":true}\n");
    }
    let ls: serde_json::Value = serde_json::from_str(scratch.run(["ls", "--json"]).text()).unwrap();
    assert_eq!((&ls["mode"], &ls["publishes"]), (&"broadcast".into(), &true.into()));
    hub.close();
}

#[test]
fn ls_shows_who_publishes() {
    let scratch = Scratch::new();
    let publisher = Listening::start_with_input(scratch.command(["publish", "news"]));
    let ls: serde_json::Value = serde_json::from_str(scratch.run(["ls", "--json"]).text()).unwrap();
    assert_eq!((&ls["mode"], &ls["publishes"], &ls["subscribers"]), (&"publish".into(), &true.into(), &0.into()));
    assert!(publisher.close().is_empty());
    scratch.run(["ls", "--json"]).printed("");
}

#[test]
fn a_publisher_takes_neither_requests_nor_broadcasts() {
    let scratch = Scratch::new();
    let publisher = Listening::start_with_input(scratch.command(["publish", "news"]));
    for post in [&["post", "news", "1"][..], &["post", "news", "1", "--broadcast"]] {
        let outcome = scratch.run(post);
        assert_eq!((outcome.status, outcome.text()), (3, ""), "{outcome:?}");
        assert!(outcome.stderr.contains("publish"), "{outcome:?}");
    }
    publisher.close();
}

#[test]
fn a_listener_that_does_not_publish_refuses_subscribers() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    let outcome = scratch.run(["subscribe", "x"]);
    assert_eq!((outcome.status, outcome.text()), (3, ""), "{outcome:?}");
    assert!(outcome.stderr.contains("publish"), "{outcome:?}");
    listening.close();
    let outcome = scratch.run(["subscribe", "x"]);
    assert_eq!((outcome.status, outcome.text()), (3, ""), "{outcome:?}");
    assert!(outcome.stderr.contains("nobody listens") && outcome.stderr.contains("--wait"), "{outcome:?}");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_done() {
    let scratch = Scratch::new();
    let long = "x".repeat(256);
    for line in [
        &["subscribe", "x", "--topic", &long][..],
        &["subscribe", "x", "--queue", "0"],
        &["subscribe", "x", "--count", "0"],
        &["subscribe", ":0"],
        &["subscribe", "not a name"],
        &["listen", "x", "--echo", "--publish"],
        &["publish", "x", "--strict", "--text"],
    ] {
        let outcome = scratch.run(line);
        assert_eq!((outcome.status, outcome.text()), (2, ""), "{line:?} {outcome:?}");
    }
}

#[test]
fn ctrl_c_ends_a_subscriber_and_a_publisher_in_order() {
    let scratch = Scratch::new();
    let publisher = Listening::start_with_input(scratch.command(["publish", "news", "--retain"]));
    publisher.write("1\n");
    let subscriber = Listening::start_quiet(scratch.command(["subscribe", "news", "--quiet"]));
    assert_eq!(subscriber.line(), "1");
    subscriber.signal(Signal::INT);
    let (status, lines, errors) = subscriber.end();
    assert_eq!((status.code(), lines.len(), errors.len()), (Some(0), 0, 0));
    publisher.signal(Signal::INT);
    let (status, lines, errors) = publisher.end();
    assert_eq!((status.code(), lines.len(), errors.len()), (Some(0), 0, 0));
    assert!(!scratch.socket("news").exists());
}

#[test]
fn a_subscriber_outlives_its_publisher_and_is_told_of_the_next_one() {
    let scratch = Scratch::new();
    let publisher = Listening::start_with_input(scratch.command(["publish", "news", "--retain"]));
    publisher.write("1\n");
    let subscriber = Listening::start_quiet(scratch.command(["subscribe", "news", "--quiet"]));
    assert_eq!(subscriber.line(), "1");
    publisher.signal(Signal::KILL);
    publisher.end();
    let publisher = Listening::start_with_input(scratch.command(["publish", "news", "--retain"]));
    publisher.write("2\n");
    assert_eq!(subscriber.line(), "2");
    let note = "simple-ipc: the publisher was replaced; events may have been missed before this one";
    assert_eq!(subscriber.error_line(), note);
    subscriber.signal(Signal::TERM);
    assert_eq!(subscriber.end().0.code(), Some(0));
    publisher.close();
}
