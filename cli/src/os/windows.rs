//! Windows: console events, and pipes that cannot be waited for.

use std::fs::{File, Metadata};
use std::io::{self, Read, Stdin, Stdout, Write};
use std::mem::ManuallyDrop;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::os::windows::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use simple_ipc::event_loop::{ItemStream, Queue};
use simple_ipc::system::{RawWaitable, Waker};
use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_BROKEN_PIPE, HANDLE, INVALID_HANDLE_VALUE, WAIT_FAILED, WAIT_OBJECT_0,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_CHAR, FILE_TYPE_PIPE, GetFileType, WriteFile};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, GenerateConsoleCtrlEvent, GetStdHandle, STD_OUTPUT_HANDLE, SetConsoleCtrlHandler,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
};
use windows_sys::Win32::System::Pipes::{PIPE_NOWAIT, PeekNamedPipe, SetNamedPipeHandleState};
use windows_sys::Win32::System::Threading::{
    CREATE_NEW_PROCESS_GROUP, INFINITE, OpenProcess, PROCESS_TERMINATE, TerminateProcess, WaitForMultipleObjects,
};

use crate::input::Source;

/// How often a pipe is looked at whose other end tells nobody.
const LOOK: Duration = Duration::from_millis(5);
/// How often one looks whether the reader of standard output has gone.
const LOOK_FOR_READER: Duration = Duration::from_millis(200);

/// Whether the command was started without a standard output.
pub(crate) fn stdout_was_closed() -> bool {
    // SAFETY: it takes a number and gives a handle that is not the caller's.
    let handle = unsafe { GetStdHandle(STD_OUTPUT_HANDLE) };
    handle.is_null() || handle == INVALID_HANDLE_VALUE
}

/// Waits until the reader of standard output has gone. Only a pipe tells: when nothing is written to it.
pub(crate) fn wait_for_the_reader_to_go(stdout: &Stdout) {
    let handle = stdout.as_raw_handle();
    // SAFETY: the handle is open for as long as the process has a standard output.
    while unsafe { GetFileType(handle) } != FILE_TYPE_PIPE {
        thread::park();
    }
    loop {
        let mut written = 0;
        // SAFETY: the handle is open, and no byte is read from memory.
        if unsafe { WriteFile(handle, [0u8].as_ptr(), 0, &raw mut written, std::ptr::null_mut()) } == 0 {
            return;
        }
        thread::sleep(LOOK_FOR_READER);
    }
}

/// Waits until the queue has something to do or, if it is given, standard input can be read. Whether the latter can. A pipe is looked
/// at again and again, since it cannot be waited for.
pub(crate) fn wait_for_answers_or_input(queue: &Queue, stdin: Option<&Stdin>) -> io::Result<bool> {
    wait_for_one_or_input(queue.raw_waitable(), stdin)
}

/// The same for a stream and a source; what is in a file can be read at once.
pub(crate) fn wait_for_items_or_input(stream: &ItemStream, source: Option<&Source>) -> io::Result<bool> {
    match source {
        Some(Source::File(_)) => Ok(true),
        Some(Source::Stdin) => wait_for_one_or_input(stream.raw_waitable(), Some(&io::stdin())),
        None => wait_for_one_or_input(stream.raw_waitable(), None),
    }
}

fn wait_for_one_or_input(waitable: RawWaitable, stdin: Option<&Stdin>) -> io::Result<bool> {
    let waitable: HANDLE = std::ptr::without_provenance_mut(waitable as isize as usize);
    let Some(stdin) = stdin.map(Stdin::as_raw_handle) else {
        return wait_for_any(&[waitable], None).map(|_| false);
    };
    // SAFETY: the handle is open for as long as the process has a standard input.
    match unsafe { GetFileType(stdin) } {
        FILE_TYPE_CHAR => Ok(wait_for_any(&[waitable, stdin], None)? == Some(1)),
        FILE_TYPE_PIPE => loop {
            // The end can be read, too.
            if waiting(stdin) != Some(0) {
                return Ok(true);
            }
            if wait_for_any(&[waitable], Some(LOOK))?.is_some() {
                return Ok(false);
            }
        },
        // What is in a file is there.
        _ => Ok(true),
    }
}

/// Waits until one of the handles is signalled; which, or `None` when the time is over.
fn wait_for_any(handles: &[HANDLE], timeout: Option<Duration>) -> io::Result<Option<u32>> {
    let timeout = timeout.map_or(INFINITE, |timeout| u32::try_from(timeout.as_millis()).unwrap_or(INFINITE - 1));
    let count = handles.len() as u32;
    // SAFETY: an array of that many handles, which the caller holds open.
    match unsafe { WaitForMultipleObjects(count, handles.as_ptr(), 0, timeout) } {
        WAIT_FAILED => Err(io::Error::last_os_error()),
        signalled => Ok(Some(signalled.wrapping_sub(WAIT_OBJECT_0)).filter(|&at| at < count)),
    }
}

/// How many bytes wait in a pipe; `None` where it has ended or does not tell.
fn waiting(pipe: RawHandle) -> Option<u32> {
    let mut there = 0;
    // SAFETY: the handle is open, and the number is written to memory that outlives the call.
    let told = unsafe {
        PeekNamedPipe(pipe, std::ptr::null_mut(), 0, std::ptr::null_mut(), &raw mut there, std::ptr::null_mut())
    };
    (told != 0).then_some(there)
}

/// Reads once from standard input. Not through the buffer of the standard library, behind whose back a wait would wait
/// for what is in it already.
pub(crate) fn read(stdin: &Stdin, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the handle is open for as long as the process has a standard input, and the file, which is never dropped, does not
    // close it.
    let mut file = ManuallyDrop::new(unsafe { File::from_raw_handle(stdin.as_raw_handle()) });
    match file.read(buffer) {
        Err(error) if error.raw_os_error() == Some(ERROR_BROKEN_PIPE.cast_signed()) => Ok(0),
        done => done,
    }
}

/// A process of the command's own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessId(u32);

impl ProcessId {
    /// From here on it does not outlive this command, nor does what it starts.
    pub(crate) fn of(child: &Child) -> ProcessId {
        if let Some(job) = job() {
            // SAFETY: both handles are open.
            let _it_may_outlive_the_command = unsafe { AssignProcessToJobObject(job, child.as_raw_handle()) };
        }
        ProcessId(child.id())
    }

    /// Asks it to end: Ctrl-Break, for the group of processes that it was started as. Where there is no console by which to ask, it is
    /// ended.
    pub(crate) fn terminate(self) {
        // SAFETY: it takes numbers.
        if unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, self.0) } != 0 {
            return;
        }
        // SAFETY: it takes numbers; the handle is closed when it was used.
        unsafe {
            let process = OpenProcess(PROCESS_TERMINATE, 0, self.0);
            if !process.is_null() {
                TerminateProcess(process, 1);
                CloseHandle(process);
            }
        }
    }
}

/// The job of all processes that this command has started: the system ends them when the last handle of it is closed, which is when
/// this command ends, however it does. `None` where the system gives none.
fn job() -> Option<HANDLE> {
    static JOB: OnceLock<Option<OwnedHandle>> = OnceLock::new();
    let made = || {
        // SAFETY: a job without a name, with the rights of this user.
        let job = unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) };
        if job.is_null() {
            return None;
        }
        // SAFETY: the call has just made the handle, and nobody else has it.
        let job = unsafe { OwnedHandle::from_raw_handle(job) };
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        let size = size_of_val(&limits) as u32;
        let kind = JobObjectExtendedLimitInformation;
        // SAFETY: the structure has the form and the length that this kind takes.
        let set = unsafe { SetInformationJobObject(job.as_raw_handle(), kind, (&raw const limits).cast(), size) };
        (set != 0).then_some(job)
    };
    JOB.get_or_init(made).as_ref().map(OwnedHandle::as_raw_handle)
}

/// Has a program run where Ctrl-C does not reach it: that goes to the group of processes that is this command's.
pub(crate) fn keep_from_ctrl_c(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// Has another program take this one's place: it gets the standard streams and the environment, and this command ends with its status.
/// Comes back only with what stood in the way.
pub(crate) fn become_program(command: &mut Command) -> io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}

/// A pipe to or from a process.
pub(crate) trait Pipe: AsRawHandle {
    /// Whether it is written here. What is read is looked at before, and its handle may not be changed.
    const IS_WRITTEN: bool;
}

impl Pipe for ChildStdin {
    const IS_WRITTEN: bool = true;
}

impl Pipe for ChildStdout {
    const IS_WRITTEN: bool = false;
}

impl Pipe for ChildStderr {
    const IS_WRITTEN: bool = false;
}

/// Has reading or writing a pipe never wait.
pub(crate) fn set_nonblocking<P: Pipe>(pipe: &P) -> io::Result<()> {
    if !P::IS_WRITTEN {
        return Ok(());
    }
    let mode = PIPE_NOWAIT;
    // SAFETY: the handle is open, and the mode is read from memory that outlives the call.
    let set =
        unsafe { SetNamedPipeHandleState(pipe.as_raw_handle(), &raw const mode, std::ptr::null(), std::ptr::null()) };
    if set == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads what is there; 'would block' where that is nothing.
pub(crate) fn read_pipe(pipe: &mut (impl Pipe + Read), buffer: &mut [u8]) -> io::Result<usize> {
    match waiting(pipe.as_raw_handle()) {
        Some(0) => Err(io::ErrorKind::WouldBlock.into()),
        Some(there) => {
            let most = buffer.len().min(there as usize);
            pipe.read(&mut buffer[..most])
        }
        None => Ok(0),
    }
}

/// Writes what goes; 'would block' where that is nothing.
pub(crate) fn write_pipe(pipe: &mut (impl Pipe + Write), data: &[u8]) -> io::Result<usize> {
    match pipe.write(data)? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        written => Ok(written),
    }
}

/// Waits for a moment: the pipes tell nobody when they are ready.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it is a system call, which can fail")]
pub(crate) fn wait_for_pipes(
    _input: Option<&ChildStdin>,
    _output: Option<&ChildStdout>,
    _errors: Option<&ChildStderr>,
    _waker: Option<&Waker>,
    time: Duration,
) -> io::Result<()> {
    thread::sleep(time.min(LOOK));
    Ok(())
}

/// The user whom this process acts as: he has no number.
pub(crate) fn user_id() -> Option<u32> {
    None
}

/// Whose a file is: not a number.
pub(crate) fn owner_of(_metadata: &Metadata) -> Option<u32> {
    None
}

/// A file's permission bits: there are none.
pub(crate) fn mode_of(_metadata: &Metadata) -> Option<u32> {
    None
}

/// How many handles a process may have: without a limit that matters here.
pub(crate) fn max_descriptors() -> Option<u64> {
    None
}

type Work = Box<dyn FnOnce() + Send>;

/// What is called when the console asks for an end, in this order.
static ASKED: Mutex<[Option<Work>; 2]> = Mutex::new([None, None]);

/// Calls `first` when the console asks the command to end for the first time (Ctrl-C, Ctrl-Break, the window is closed); at the second
/// calls `second`, and the command dies of it.
pub(crate) fn watch_signals(
    first: impl FnOnce() + Send + 'static,
    second: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    *ASKED.lock().unwrap_or_else(PoisonError::into_inner) = [Some(Box::new(first)), Some(Box::new(second))];
    // SAFETY: the function may be called by any thread, until the process ends.
    if unsafe { SetConsoleCtrlHandler(Some(asked), 1) } == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Called by a thread that the system starts for it. The system ends the process where the answer is no.
unsafe extern "system" fn asked(event: u32) -> i32 {
    let next = |index: usize| ASKED.lock().unwrap_or_else(PoisonError::into_inner)[index].take();
    if let Some(first) = next(0) {
        first();
        if event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT {
            // The window is closed, or the system goes down: the process ends when this returns.
            loop {
                thread::park();
            }
        }
        return 1;
    }
    if let Some(second) = next(1) {
        second();
    }
    0
}
