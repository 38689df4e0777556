use super::*;
use crate::watchdog::Watchdog;

fn scratch() -> (tempfile::TempDir, Address) {
    let directory = tempfile::tempdir().unwrap();
    let address = Address::Unix(directory.path().join("a.sock"));
    (directory, address)
}

fn take(address: &Address) -> Result<LockFile> {
    LockFile::acquire(address, "build", 0o600, crate::mode::Mode::Request.into(), Patience::Starting)
}

fn own_pid() -> i32 {
    std::process::id().cast_signed()
}

fn exclusive(path: &Path) -> std::fs::File {
    let file = std::fs::File::open(path).unwrap();
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
    file
}

#[test]
fn a_held_lock_refuses_a_second_holder_and_names_the_first() {
    let (_directory, address) = scratch();
    let first = take(&address).unwrap();
    let error = take(&address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    let expected = format!("cannot listen on channel \"build\": process {} already listens there", own_pid());
    assert_eq!(error.message(), expected);
    drop(first);
    take(&address).unwrap();
}

#[test]
fn the_content_is_one_line_that_says_who_listens() {
    let (_directory, address) = scratch();
    let _lock = take(&address).unwrap();
    let text = std::fs::read_to_string(address.lock_path()).unwrap();
    let started = text.split("\"started\":").nth(1).unwrap().trim_end_matches("}\n");
    assert!(started.parse::<u64>().unwrap() > 1_700_000_000_000);
    let expected = format!(
        "{{\"pid\":{},\"version\":\"{}\",\"channel\":\"build\",\"mode\":\"request\",\"started\":{started}}}\n",
        own_pid(),
        env!("CARGO_PKG_VERSION"),
    );
    assert_eq!(text, expected);
}

#[test]
fn a_probe_tells_held_free_and_missing_and_nothing_odd_stops_it() {
    let _watchdog = Watchdog::start();
    let (_directory, address) = scratch();
    let path = address.lock_path();
    assert_eq!(probe(&address), Probe::Missing);
    assert_eq!(probe(&Address::Unix("/nonexistent/a.sock".into())), Probe::Missing);
    let lock = take(&address).unwrap();
    assert_eq!(probe(&address), Probe::Held);
    std::fs::write(&path, "no JSON").unwrap();
    assert_eq!(probe(&address), Probe::Held);
    std::fs::write(&path, vec![b'{'; 1 << 20]).unwrap();
    assert_eq!(probe(&address), Probe::Held);
    drop(lock);
    std::fs::write(&path, "").unwrap();
    assert_eq!(probe(&address), Probe::Free);
    std::fs::rename(&path, path.with_extension("old")).unwrap();
    std::os::unix::fs::symlink(path.with_extension("old"), &path).unwrap();
    assert_eq!(probe(&address), Probe::Denied);
    std::fs::remove_file(&path).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RWXU).unwrap();
    assert_eq!(probe(&address), Probe::Denied);
}

#[test]
fn a_lock_file_that_a_dead_listener_left_is_taken_over_with_its_mode_put_right() {
    let (_directory, address) = scratch();
    std::fs::write(address.lock_path(), vec![b'x'; 1 << 20]).unwrap();
    let lock =
        LockFile::acquire(&address, "build", 0o660, crate::mode::Mode::Broadcast.into(), Patience::Starting).unwrap();
    let place = Place::at(&lock.path).unwrap().unwrap();
    assert_eq!(place.mode, 0o640);
    assert_eq!(read_content(&lock.file).unwrap().mode, "broadcast");
    drop(lock);
    assert!(Place::at(&address.lock_path()).unwrap().is_none());
}

#[test]
fn the_mode_of_the_lock_file_lets_those_read_who_may_use_the_socket() {
    for (socket, lock) in [(0o600, 0o600), (0o660, 0o640), (0o666, 0o644), (0o606, 0o604), (0o000, 0o600)] {
        assert_eq!(file_mode(socket).as_raw_mode(), lock, "{socket:o}");
    }
}

#[test]
fn what_is_no_lock_file_is_named_and_left_alone() {
    let _watchdog = Watchdog::start();
    let (directory, address) = scratch();
    let path = address.lock_path();
    let target = directory.path().join("target");
    let refused = |what: &str| {
        let before = Place::at(&path).unwrap().unwrap().identity;
        let error = take(&address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PathOccupied, "{error}");
        assert!(error.message().contains(&format!("{what} stands at {}", path.display())), "{error}");
        assert_eq!(Place::at(&path).unwrap().unwrap().identity, before);
    };
    std::fs::create_dir(&path).unwrap();
    refused("a directory");
    std::fs::remove_dir(&path).unwrap();

    std::fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    refused("a symbolic link");
    std::fs::remove_file(&path).unwrap();

    std::fs::hard_link(&target, &path).unwrap();
    refused("a file with several hard links");
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    std::fs::remove_file(&path).unwrap();

    rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RWXU).unwrap();
    refused("a FIFO");
    std::fs::remove_file(&path).unwrap();

    let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    refused("a socket");
    std::fs::remove_file(&path).unwrap();

    std::fs::write(&path, "").unwrap();
    if std::os::unix::fs::chown(&path, Some(54321), None).is_ok() {
        refused("a file of user 54321");
    }
}

#[test]
fn a_missing_directory_is_an_error_that_says_what_to_do() {
    let error = take(&Address::Unix("/nonexistent/a.sock".into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoDirectory);
    let expected =
        "cannot listen on channel \"build\": directory /nonexistent does not exist; create it or choose another";
    assert_eq!(error.message(), expected);
    let error = take(&Address::Unix("/dev/null/a.sock".into())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoDirectory);
    assert!(error.message().contains("/dev/null is not a directory"), "{error}");
}

#[test]
fn release_removes_the_lock_file_only_while_it_is_ours() {
    let (_directory, address) = scratch();
    let path = address.lock_path();
    let lock = take(&address).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(lock.stands(), Ok(false));
    let second = take(&address).unwrap();
    drop(lock);
    assert_eq!(second.stands(), Ok(true));
    drop(second);
    assert!(Place::at(&path).unwrap().is_none());
}

#[test]
fn clients_that_ask_never_make_a_lone_listener_fail() {
    let _watchdog = Watchdog::start();
    let (_directory, address) = scratch();
    std::thread::scope(|scope| {
        let taking = scope.spawn(|| {
            for _ in 0..300 {
                drop(take(&address).unwrap());
                // A file that stays, as a crash leaves it, is asked about more often.
                std::fs::write(address.lock_path(), "").unwrap();
                take(&address).unwrap();
            }
        });
        while !taking.is_finished() {
            probe(&address);
        }
    });
}

#[test]
fn a_shared_lock_that_is_kept_is_told_from_a_listener() {
    let (_directory, address) = scratch();
    std::fs::write(address.lock_path(), "").unwrap();
    let file = std::fs::File::open(address.lock_path()).unwrap();
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).unwrap();
    let error = take(&address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(error.message().contains(&format!("process {} keeps its lock file locked", own_pid())), "{error}");
}

#[test]
fn the_table_of_this_system_shows_our_own_lock() {
    let (_directory, address) = scratch();
    let path = address.lock_path();
    std::fs::write(&path, "").unwrap();
    let identity = Place::at(&path).unwrap().unwrap().identity;
    let Some(before) = holders(identity) else { return };
    assert_eq!(before, Holders::default());
    let _watchdog = Watchdog::start();
    let _file = exclusive(&path);
    // A reading of the table can miss a line while other tests lock and let go.
    while holders(identity) == Some(Holders::default()) {}
    assert_eq!(holders(identity).and_then(|found| found.reader), None);
    while holders(identity) != Some(Holders { writer: Some(own_pid()), reader: None }) {}
}

#[test]
fn a_lock_is_tried_again_only_as_long_as_it_may_be_a_client_that_asks() {
    let writer = Some(Holders { writer: Some(7), reader: Some(8) });
    let reader = Some(Holders { writer: None, reader: Some(8) });
    let unlisted = Some(Holders::default());
    let judge = |holders, named: Option<i32>, waited| {
        judge(holders, || named, "x", waited).map_err(|error| error.message().to_owned())
    };
    let listens = |who: &str| Err(format!("cannot listen on channel \"x\": {who} already listens there"));
    assert_eq!(judge(writer, Some(9), Duration::ZERO), listens("process 7"));
    let hidden = Some(Holders { writer: Some(0), reader: None });
    assert_eq!(judge(hidden, Some(9), Duration::ZERO), listens("process 9"));
    assert_eq!(judge(hidden, None, Duration::ZERO), listens("another process"));
    assert_eq!(judge(reader, Some(9), SHORT_PATIENCE), Ok(()));
    assert_eq!(judge(reader, Some(9), PATIENCE), Ok(()));
    assert!(judge(reader, Some(9), CLIENTS_PATIENCE).is_err());
    assert_eq!(judge(unlisted, Some(9), SHORT_PATIENCE), Ok(()));
    assert_eq!(judge(unlisted, Some(9), PATIENCE), listens("process 9"));
    // No table at all.
    assert_eq!(judge(None, Some(9), Duration::ZERO), Ok(()));
    assert_eq!(judge(None, Some(9), SHORT_PATIENCE), listens("process 9"));
    assert_eq!(judge(None, None, SHORT_PATIENCE), Ok(()));
    assert_eq!(judge(None, None, PATIENCE), listens("another process"));
}

#[test]
fn every_content_means_what_its_golden_vector_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/lock.json");
    let vectors: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let bytes = |hex: &serde_json::Value| -> Vec<u8> {
        hex.as_str().unwrap().split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    };
    let read = |case: &serde_json::Value| {
        let file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut &file, &bytes(&case["hex"])).unwrap();
        read_content(&file)
    };
    for case in vectors["valid"].as_array().unwrap() {
        let info = read(case).unwrap_or_else(|| panic!("not read: {case}"));
        assert_eq!(Some(i64::from(info.pid)), case["pid"].as_i64(), "{case}");
        assert_eq!(
            (&*info.version, &*info.channel),
            (case["version"].as_str().unwrap(), case["channel"].as_str().unwrap())
        );
        let known = crate::mode::Mode::from_name(&info.mode);
        let mode = known.map_or("unknown", crate::mode::Mode::name);
        assert_eq!((mode, Some(info.started)), (case["mode"].as_str().unwrap(), case["started"].as_u64()));
        if known.is_none() {
            continue; // no listener of this version writes it
        }
        let line = [serde_json::to_vec(&info).unwrap(), b"\n".to_vec()].concat();
        assert_eq!(line, bytes(case.get("canonical_hex").unwrap_or(&case["hex"])), "{case}");
    }
    for case in vectors["malformed"].as_array().unwrap() {
        assert_eq!(read(case), None, "{case}");
    }
}

#[test]
fn an_array_of_the_right_values_is_no_content() {
    let file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut &file, br#"[1,"0.1.0","build","request",1]"#).unwrap();
    assert_eq!(read_content(&file), None);
}
