//! Unix: descriptors, signals, process groups.

use std::fs::Metadata;
use std::io::{self, Read, Stdin, Stdout, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use simple_ipc::event_loop::{ItemStream, Queue};
use simple_ipc::system::Waker;

use crate::input::Source;

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Run by the loader, before Rust's own start, which opens `/dev/null` where a standard stream is closed.
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: the descriptor is only asked about; that it may not be open is what the answer tells.
    let stdout = unsafe { BorrowedFd::borrow_raw(1) };
    STDOUT_WAS_CLOSED.store(rustix::io::fcntl_getfd(stdout) == Err(Errno::BADF), Ordering::Relaxed);
}

/// Whether the command was started without a standard output (`>&-`).
pub(crate) fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}

/// Waits until the reader of standard output has gone.
pub(crate) fn wait_for_the_reader_to_go(stdout: &Stdout) {
    // Nothing is asked for: poll tells of a closed reader all the same, and of nothing else.
    let mut descriptors = [PollFd::new(stdout, PollFlags::empty())];
    while poll(&mut descriptors, None) == Err(Errno::INTR) {}
}

/// Waits until the queue has something to do or, if it is given, standard input can be read. Whether the latter can; a
/// signal ends the wait, too.
pub(crate) fn wait_for_answers_or_input(queue: &Queue, stdin: Option<&Stdin>) -> io::Result<bool> {
    let mut descriptors = vec![PollFd::new(queue, PollFlags::IN)];
    descriptors.extend(stdin.map(|stdin| PollFd::new(stdin, PollFlags::IN)));
    match poll(&mut descriptors, None) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(descriptors.get(1).is_some_and(|stdin| !stdin.revents().is_empty()))
}

/// Waits until the stream has something to do or, if it is given, the source can be read. Whether the latter can; a signal
/// ends the wait, too.
pub(crate) fn wait_for_items_or_input(stream: &ItemStream, source: Option<&Source>) -> io::Result<bool> {
    // SAFETY: the stream keeps its descriptor open for as long as it lives.
    let waitable = unsafe { BorrowedFd::borrow_raw(stream.raw_waitable()) };
    let stdin = io::stdin();
    let mut descriptors = vec![PollFd::from_borrowed_fd(waitable, PollFlags::IN)];
    descriptors.extend(source.map(|source| match source {
        Source::Stdin => PollFd::new(&stdin, PollFlags::IN),
        Source::File(file) => PollFd::new(file, PollFlags::IN),
    }));
    match poll(&mut descriptors, None) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(descriptors.get(1).is_some_and(|source| !source.revents().is_empty()))
}

/// Reads once from standard input. Not through the buffer of the standard library, behind whose back a wait would wait
/// for what is in it already.
pub(crate) fn read(stdin: &Stdin, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::read(stdin, buffer)?)
}

/// The user whom this process acts as.
pub(crate) fn user_id() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

/// Whose a file is.
pub(crate) fn owner_of(metadata: &Metadata) -> Option<u32> {
    Some(std::os::unix::fs::MetadataExt::uid(metadata))
}

/// A file's permission bits, with those for directories.
pub(crate) fn mode_of(metadata: &Metadata) -> Option<u32> {
    Some(std::os::unix::fs::MetadataExt::mode(metadata) & 0o7777)
}

/// How many descriptors a process may have; none where that is without limit.
pub(crate) fn max_descriptors() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

/// A process of the command's own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessId(Pid);

impl ProcessId {
    pub(crate) fn of(child: &Child) -> ProcessId {
        ProcessId(Pid::from_child(child))
    }

    /// Asks it to end.
    pub(crate) fn terminate(self) {
        let _ended_already = kill_process(self.0, Signal::TERM);
    }
}

/// Has a program run where Ctrl-C does not reach it: that goes to the foreground group, which is this command's.
pub(crate) fn keep_from_ctrl_c(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// Has another program take this one's place, with its standard streams and its environment. Comes back only with what stood in
/// the way.
pub(crate) fn become_program(command: &mut Command) -> io::Error {
    std::os::unix::process::CommandExt::exec(command)
}

/// A pipe to or from a process.
pub(crate) trait Pipe: AsFd {}

impl Pipe for ChildStdin {}
impl Pipe for ChildStdout {}
impl Pipe for ChildStderr {}

/// Has reading or writing a pipe never wait.
pub(crate) fn set_nonblocking(pipe: &impl Pipe) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(pipe, true)?)
}

/// Reads what is there; 'would block' where that is nothing.
pub(crate) fn read_pipe(pipe: &mut (impl Pipe + Read), buffer: &mut [u8]) -> io::Result<usize> {
    pipe.read(buffer)
}

/// Writes what goes; 'would block' where that is nothing.
pub(crate) fn write_pipe(pipe: &mut (impl Pipe + Write), data: &[u8]) -> io::Result<usize> {
    pipe.write(data)
}

/// Waits until one of a process's pipes is ready, the waker was woken, or the time is over; a signal ends the wait, too.
pub(crate) fn wait_for_pipes(
    input: Option<&ChildStdin>,
    output: Option<&ChildStdout>,
    errors: Option<&ChildStderr>,
    waker: Option<&Waker>,
    time: Duration,
) -> io::Result<()> {
    let mut descriptors = Vec::with_capacity(4);
    descriptors.extend(waker.map(|waker| PollFd::new(waker, PollFlags::IN)));
    descriptors.extend(input.map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
    descriptors.extend(output.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    descriptors.extend(errors.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    let time = Timespec::try_from(time).map_err(io::Error::other)?;
    match poll(&mut descriptors, Some(&time)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Calls `first` at the first signal that asks for an end; at the second calls `second` and dies
/// of the signal.
pub(crate) fn watch_signals(
    first: impl FnOnce() + Send + 'static,
    second: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let mut watched = vec![SIGINT, SIGTERM];
    // nohup has it ignored, and that is to stay so.
    if !is_ignored(SIGHUP) {
        watched.push(SIGHUP);
    }
    let mut signals = Signals::new(watched)?;
    let work = move || {
        let mut arriving = signals.forever();
        if arriving.next().is_some() {
            first();
        }
        if let Some(signal) = arriving.next() {
            second();
            let _ = emulate_default_handler(signal);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(work).map(drop)
}

/// Whether this process was started with the signal ignored. Where the system does not tell, not.
fn is_ignored(signal: i32) -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignored_mask(&status) >> (signal - 1) & 1 == 1)
}

fn ignored_mask(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ignored_signals_are_read_from_the_process_status() {
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        let ignored: Vec<u32> = (1..=64).filter(|signal| ignored_mask(status) >> (signal - 1) & 1 == 1).collect();
        assert_eq!(ignored, [1, 13]);
        assert_eq!(ignored_mask("Name:\tx\n"), 0);
    }
}
