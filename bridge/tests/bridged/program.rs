//! The program: arguments, the configuration file, `--check`, signals, what it says.

use std::process::Output;

use simple_ipc::{listen_uds_request_with, post_uds_request_with};

use crate::support::{Machine, Program, Server, command, file};

fn run(machine: &Machine, arguments: &[&str]) -> Output {
    command(machine).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_carries_a_channel_says_what_it_does_and_ends_in_order() {
    let (server, here, there) = (Server::new(), Machine::new(), Machine::new());
    let _listener = listen_uds_request_with("clock", &here.options(), async |(): ()| Ok("noon")).await.unwrap();
    let exporter = Program::start(&here, &[&server.url(), "--export", "clock"]);
    exporter.says(&format!("simple-ipc-bridge: connected to {}", server.url()));
    exporter.says("simple-ipc-bridge: exporting channel \"clock\"");
    let importer = Program::start(&there, &[&server.url(), "--import", "clock", "--json"]);
    let line = importer.says("\"importing\"");
    let object: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((object["channel"].as_str(), object["mode"].as_str()), (Some("clock"), Some("request")));
    let time: String = post_uds_request_with("clock", (), &there.options()).await.unwrap();
    assert_eq!(time, "noon");
    assert_eq!(importer.close(), Some(0));
    assert_eq!(simple_ipc::channels(Some(there.path())).unwrap(), []);
    assert_eq!(exporter.close(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_server_is_told_in_plain_words_and_found_again() {
    let (mut server, here) = (Server::new(), Machine::new());
    let bridge = Program::start(&here, &[&server.url(), "--export", "x"]);
    bridge.says("connected to");
    server.kill();
    bridge.says("is lost; local callers are told at once");
    bridge.says("trying again in");
    server.start();
    bridge.says("connected to");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_what_works_as_a_table_and_as_json_and_calls_no_handler() {
    let configuration = r#"authorization { users = [ { user: u, password: p, permissions: {
        subscribe: { deny: ["sipc.cast.denied"] } } } ] }"#;
    let (server, here, there) = (Server::with(configuration), Machine::new(), Machine::new());
    let listener = listen_uds_request_with("clock", &here.options(), async |(): ()| Ok("noon")).await.unwrap();
    let password = file(here.path(), "password", "p");
    let url = server.url();
    let secrets = ["--user", "u", "--password-file", password.to_str().unwrap()];
    let exporter = Program::start(&here, &[&[url.as_str(), "--export", "clock"], &secrets[..]].concat());
    exporter.says("exporting");

    let channels = ["--import", "clock", "--import", "nowhere", "--export", "denied", "--check"];
    let arguments = [&[url.as_str()], &secrets[..], &channels[..]].concat();
    let output = run(&there, &arguments);
    let table = text(&output.stdout);
    let row = |name: &str| table.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {table}"));
    assert!(row("WHAT").contains("ROUND TRIP"));
    assert!(row(&url).contains("yes") && row(&url).contains("µs"), "{table}");
    assert!(row("clock").contains("yes") && row("clock").contains("request listener at"), "{table}");
    assert!(row("nowhere").contains("no") && row("nowhere").contains("nobody exports it"), "{table}");
    assert!(row("denied").contains("sipc.cast.denied"), "{table}");
    assert_eq!(output.status.code(), Some(3), "not all works");

    let output = run(&there, &[&arguments[..], &["--json"]].concat());
    let rows: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 4);
    let clock = rows.iter().find(|row| row["name"] == "clock").unwrap();
    assert_eq!((clock["what"].as_str(), clock["ok"].as_bool()), (Some("import"), Some(true)));
    assert!(clock["round_trip_us"].as_u64().unwrap() > 0);
    let output = run(&there, &[&[url.as_str()], &secrets[..], &["--import", "clock", "--check"]].concat());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(listener.counters().messages, 0);
    assert_eq!(simple_ipc::channels(Some(there.path())).unwrap(), [], "a check does not listen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_file_has_the_same_keys() {
    let (server, here) = (Server::new(), Machine::new());
    let config = format!("url = {:?}\nexport = [\"one\", \"two\"]\nprefix = \"team.a\"\n", server.url());
    let config = file(here.path(), "bridge.toml", &config);
    let bridge = Program::start(&here, &["--config", config.to_str().unwrap()]);
    bridge.says("exporting channel");
    bridge.says("exporting channel");
    let client = async_nats::connect(server.url()).await.unwrap();
    let answer = client.request("team.a.info.two", "".into()).await.unwrap();
    let info: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
    assert!(info["mode"].is_null() && info["host"].is_string(), "{info}");
}

#[test]
fn what_cannot_be_meant_is_refused_in_one_line_with_what_to_do() {
    let machine = Machine::new();
    let secret = file(machine.path(), "bridge.toml", "url = 'tls://x'\npassword = 'hunter2'\n");
    let cases: [(&[&str], &str); 8] = [
        (&["nats://192.0.2.1:4222", "--export", "x"], "--insecure"),
        (&["tls://me:hunter2@nats.example", "--export", "x"], "--creds"),
        (&["nats://127.0.0.1:1"], "--export or --import"),
        (&["--export", "x"], "no server is named"),
        (&["nats://127.0.0.1:1", "--export", "sipc.>"], "wildcards"),
        (&["nats://127.0.0.1:1", "--export", "x", "--import", "x"], "listed twice"),
        (&["nats://127.0.0.1:1", "--export", "x", "--creds", "/nonexistent/x"], "credentials file"),
        (&["--config", secret.to_str().unwrap()], "password"),
    ];
    for (arguments, advice) in cases {
        let output = run(&machine, arguments);
        let said = text(&output.stderr);
        assert!(matches!(output.status.code(), Some(2 | 6 | 3)), "{arguments:?}: {output:?}");
        assert!(said.contains(advice) && said.lines().count() == 1 && !said.contains("hunter2"), "{said}");
        assert_eq!(text(&output.stdout), "");
    }
}
