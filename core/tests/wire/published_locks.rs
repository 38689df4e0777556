//! What the lock file of a publisher says, and the list of channels with it.

use serde_json::json;
use simple_ipc::{Mode, Options, channels};

use crate::raw_publications::{publisher, subscribe};
use crate::scratch::{Scratch, echo, eventually};

#[test]
fn the_lock_file_and_the_list_of_channels_say_who_publishes_and_to_how_many() {
    let scratch = Scratch::new();
    let look = |options: &Options, mode: Option<Mode>| {
        let listener = match mode {
            Some(mode) => scratch.listen(mode, options, echo),
            None => publisher(options),
        };
        (std::fs::read_to_string(scratch.lock_file()).unwrap(), listener)
    };
    let (line, listener) = look(&scratch.options(), Some(Mode::Request));
    assert!(!line.contains("publishes") && !line.contains("subscribers"), "{line}");
    let directory = scratch.path("");
    let info = || channels(Some(&directory)).unwrap().remove(0);
    assert_eq!((info().publishes, info().subscribers), (false, None));
    drop(listener);
    eventually("it has gone", || !scratch.lock_file().exists());

    let (line, listener) = look(&scratch.options(), None);
    assert!(line.ends_with(",\"mode\":\"publish\",") || line.contains("\"mode\":\"publish\""), "{line}");
    assert!(line.ends_with(",\"publishes\":true,\"subscribers\":         0}\n"), "{line}");
    assert_eq!((info().mode, info().publishes, info().subscribers), (Some(Mode::Publish), true, Some(0)));
    let subscribers: Vec<_> = (0..12).map(|_| subscribe(&listener, &json!({}))).collect();
    eventually("twelve are told", || info().subscribers == Some(12));
    assert_eq!(std::fs::read_to_string(scratch.lock_file()).unwrap().len(), line.len());
    // A lock file that is put back says how many there are by now.
    drop(subscribers);
    eventually("none is told", || info().subscribers == Some(0));
    drop(listener);
    eventually("it has gone", || !scratch.lock_file().exists());
    let (line, _listener) = look(&scratch.options().publish(true), Some(Mode::Broadcast));
    assert!(line.contains("\"mode\":\"broadcast\"") && line.contains("\"publishes\":true"), "{line}");
}
