//! `simple-ipc bridge`: becomes the program `simple-ipc-bridge`, which is built and installed by itself.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use simple_ipc::{Error, ErrorKind, Result};

use crate::arguments::{Bridge, Place};
use crate::os;

const PROGRAM: &str = "simple-ipc-bridge";

pub(crate) fn run(place: &Place, bridge: Bridge) -> Result<ExitCode> {
    let mut command = Command::new(program());
    if let Some(directory) = &place.dir {
        command.arg("--dir").arg(directory);
    }
    let failed = os::become_program(command.args(bridge.arguments));
    if failed.kind() == std::io::ErrorKind::NotFound {
        let why = format!(
            "cannot run {PROGRAM}: it is neither beside simple-ipc nor on PATH; install it with: cargo install {PROGRAM}"
        );
        return Err(Error::new(ErrorKind::Os, why).with_source(failed));
    }
    Err(Error::from_os(format!("cannot run {PROGRAM}"), failed))
}

/// The one that was installed with this command, or else the one on PATH.
fn program() -> OsString {
    let beside = |own: PathBuf| own.parent().map(|folder| folder.join(PROGRAM)).filter(|path| path.is_file());
    std::env::current_exe().ok().and_then(beside).map_or_else(|| PROGRAM.into(), PathBuf::into_os_string)
}
