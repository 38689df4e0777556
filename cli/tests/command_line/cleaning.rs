//! `clean`: what dead listeners left.

use rustix::process::Signal;

use crate::scratch::Scratch;

fn killed(scratch: &Scratch, channel: &str) {
    let listening = scratch.listen([channel, "--echo"]);
    listening.signal(Signal::KILL);
    listening.end();
}

#[test]
fn what_dead_listeners_left_is_removed_and_named_and_the_rest_stays() {
    let scratch = Scratch::new();
    let live = scratch.listen(["live", "--echo"]);
    std::fs::write(scratch.path().join("precious"), "x").unwrap();
    std::fs::write(scratch.socket("file"), "x").unwrap();
    killed(&scratch, "dead");
    killed(&scratch, "gone");
    let line = |name: &str| {
        let socket = scratch.socket(name).display().to_string();
        format!("removed {name}: {socket}, {socket}.lock\n")
    };
    scratch.run(["clean"]).printed(&(line("dead") + &line("gone")));
    scratch.run(["clean"]).printed("");
    scratch.run(["post", "live", "1"]).printed("1\n");
    live.close();
    let mut left: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    left.sort();
    assert_eq!(left, [scratch.socket("file"), scratch.path().join("precious")]);
}

#[test]
fn with_json_each_channel_is_an_object_with_its_paths() {
    let scratch = Scratch::new();
    killed(&scratch, "dead");
    let outcome = scratch.run(["clean", "--json"]);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    let value: serde_json::Value = serde_json::from_str(outcome.text()).unwrap();
    assert_eq!(value["channel"], "dead");
    assert_eq!(value["paths"][0], scratch.socket("dead").to_str().unwrap());
    assert_eq!(value["paths"].as_array().unwrap().len(), 2);
    scratch.run(["clean", "--json"]).printed("");
}
