//! One end of a named pipe, as a stream: readiness over completion.
//!
//! What is received is looked at first (`PeekNamedPipe`), so that a read never waits. What is sent is copied, and one such write is in
//! flight at a time: the pipe has room when there is none. A pipe has no direction that can be closed by itself, and it ends for its peer
//! when its handle is closed, which does not take away what was written before.

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use windows_sys::Wdk::Storage::FileSystem::{NtCancelIoFileEx, NtReadFile, NtWriteFile};
use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED, HANDLE, INVALID_HANDLE_VALUE, STATUS_PENDING,
};
use windows_sys::Win32::System::IO::{CreateIoCompletionPort, IO_STATUS_BLOCK, IO_STATUS_BLOCK_0};
use windows_sys::Win32::System::Pipes::{GetNamedPipeClientProcessId, GetNamedPipeServerProcessId, PeekNamedPipe};

use super::event::{Event, wait_for_any};
use super::operation::{Operation, error_of};
use crate::lock::lock;

/// How many bytes one write takes at most.
const AT_ONCE: usize = 256 << 10;
/// How long what was sent may take to be received when the pipe is not used any more.
const LAST_BYTES: Duration = Duration::from_secs(5);

/// Which end of a pipe it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Client,
    Server,
}

/// One end of a pipe, open or not any more.
#[derive(Debug)]
pub(super) struct Pipe {
    end: End,
    state: Mutex<State>,
    /// Set while no write is in flight: by the kernel, which clears it when one begins.
    room: Arc<Event>,
}

#[derive(Debug)]
struct State {
    // Dropped in this order: the write is over before its handle is closed.
    /// The write in flight, or the last one.
    write: Option<Operation<Vec<u8>>>,
    /// Those who wait for something to receive. They are given up before the handle is closed.
    reads: Vec<Weak<Operation<()>>>,
    /// `None` once the stream was ended from this side.
    handle: Option<Arc<OwnedHandle>>,
    /// Nothing more is to be sent.
    no_more: bool,
}

impl Pipe {
    /// Takes over a handle that was opened for overlapped calls.
    pub(super) fn adopt(handle: OwnedHandle, end: End) -> io::Result<Pipe> {
        keep_what_is_in_flight(&handle)?;
        let room = Arc::new(Event::new()?);
        room.set();
        let state =
            Mutex::new(State { write: None, reads: Vec::new(), handle: Some(Arc::new(handle)), no_more: false });
        Ok(Pipe { end, state, room })
    }

    /// Receives at most `most` bytes to `memory`, without waiting. 0 is the end.
    ///
    /// # Safety
    ///
    /// `memory` is `most` bytes that may be written.
    pub(super) unsafe fn recv(&self, memory: *mut u8, most: usize) -> io::Result<usize> {
        let state = lock(&self.state);
        let Some(handle) = state.handle() else { return Ok(0) };
        let there = match look(handle, &mut []) {
            Ok((_, 0)) => return Err(io::ErrorKind::WouldBlock.into()),
            Ok((_, there)) => there,
            Err(error) if is_end(&error) => return Ok(0),
            Err(error) => return Err(error),
        };
        let most = u32::try_from(most.min(there)).unwrap_or(u32::MAX);
        let mut outcome = IO_STATUS_BLOCK { Anonymous: IO_STATUS_BLOCK_0 { Status: STATUS_PENDING }, Information: 0 };
        // SAFETY: the handle is open, as the lock keeps it; memory and outcome live until the call is over, which is waited for
        // below.
        let mut status = unsafe {
            NtReadFile(
                handle,
                std::ptr::null_mut(),
                None,
                std::ptr::null(),
                &raw mut outcome,
                memory.cast(),
                most,
                std::ptr::null(),
                std::ptr::null(),
            )
        };
        if status == STATUS_PENDING {
            status = give_up(handle, &mut outcome);
        }
        match status {
            failed if failed < 0 && outcome.Information == 0 => {
                let error = error_of(failed);
                if is_end(&error) { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) }
            }
            _ if outcome.Information == 0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(outcome.Information),
        }
    }

    /// Copies what waits, up to `buffer`, and leaves it there. 0 is the end.
    pub(super) fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = lock(&self.state);
        let Some(handle) = state.handle() else { return Ok(0) };
        match look(handle, buffer) {
            Ok((_, 0)) => Err(io::ErrorKind::WouldBlock.into()),
            Ok((copied, _)) => Ok(copied),
            Err(error) if is_end(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Sends as much as goes without waiting: a copy of it is on its way when this returns.
    pub(super) fn send<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<usize> {
        let mut state = lock(&self.state);
        let gone = || Err(io::ErrorKind::BrokenPipe.into());
        if state.no_more {
            return gone();
        }
        let Some(handle) = state.handle() else { return gone() };
        let mut memory = match state.write.take() {
            Some(write) if !write.is_done() => {
                state.write = Some(write);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            // What was taken and did not go is missing: nothing can follow it.
            Some(write) if write.bytes().is_err() => {
                state.no_more = true;
                return gone();
            }
            Some(write) => write.into_content(),
            None => Vec::new(),
        };
        memory.clear();
        for part in parts {
            let left = AT_ONCE - memory.len();
            memory.extend_from_slice(&part[..part.len().min(left)]);
        }
        let len = memory.len();
        if len == 0 {
            return Ok(0);
        }
        let room = self.room.handle();
        let write = Operation::begin(handle, memory, |file, outcome, memory| {
            // SAFETY: the handle is open, as the lock keeps it; outcome and memory are the operation's and outlive it, and the vector
            // is not touched before it is done.
            unsafe {
                let memory = &*memory;
                NtWriteFile(
                    file,
                    room,
                    None,
                    std::ptr::null(),
                    outcome,
                    memory.as_ptr().cast(),
                    len as u32,
                    std::ptr::null(),
                    std::ptr::null(),
                )
            }
        });
        match write {
            Ok(write) => {
                state.write = Some(write);
                Ok(len)
            }
            Err(error) => {
                self.room.set();
                if is_end(&error) { gone() } else { Err(error) }
            }
        }
    }

    /// Nothing more is sent from here. The peer learns it when the stream ends.
    pub(super) fn send_no_more(&self) {
        lock(&self.state).no_more = true;
    }

    /// Closes this end: what was sent is still received.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        let (write, handle) = (state.write.take(), state.handle.take());
        let reads = std::mem::take(&mut state.reads);
        drop(state);
        for read in reads.iter().filter_map(Weak::upgrade) {
            read.end();
        }
        let (Some(write), Some(handle)) = (write, handle) else { return };
        if write.is_done() {
            return;
        }
        let room = Arc::clone(&self.room);
        let last = move || {
            // Where the peer does not receive it, it goes with the handle.
            let _either_way = wait_for_any(&[room.handle()], Some(LAST_BYTES));
            drop(write);
            drop(handle);
        };
        let _without_a_thread_it_goes_now = std::thread::Builder::new().name("simple-ipc-ends".into()).spawn(last);
    }

    /// Whether the peer has gone altogether.
    pub(super) fn hung_up(&self) -> bool {
        let state = lock(&self.state);
        state.handle().is_none_or(|handle| look(handle, &mut []).is_err_and(|error| is_end(&error)))
    }

    /// Whether a send would take something, or would fail.
    pub(super) fn has_room(&self) -> bool {
        let state = lock(&self.state);
        state.no_more || state.handle.is_none() || state.write.as_ref().is_none_or(Operation::is_done)
    }

    /// What is set while it has room.
    pub(super) fn room(&self) -> &Arc<Event> {
        &self.room
    }

    /// Asks when there is something to receive: a read of no bytes is done then. `None`: there is, or the end.
    pub(super) fn ask_read(&self, event: &Event) -> io::Result<Option<Arc<Operation<()>>>> {
        let mut state = lock(&self.state);
        let Some(open) = state.handle.clone() else { return Ok(None) };
        let event = event.handle();
        let read = Operation::begin(open.as_raw_handle(), (), |file, outcome, memory| {
            // SAFETY: the handle is open, as the lock keeps it; the outcome is the operation's and outlives it; no byte is
            // written to memory.
            unsafe {
                NtReadFile(
                    file,
                    event,
                    None,
                    std::ptr::null(),
                    outcome,
                    memory.cast(),
                    0,
                    std::ptr::null(),
                    std::ptr::null(),
                )
            }
        });
        match read {
            Ok(read) => {
                let read = Arc::new(read.keeping(open));
                state.reads.retain(|read| read.strong_count() > 0);
                state.reads.push(Arc::downgrade(&read));
                Ok(Some(read))
            }
            Err(error) if is_end(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The process at the other end.
    pub(super) fn peer_process(&self) -> Option<u32> {
        let state = lock(&self.state);
        let handle = state.handle()?;
        let mut pid = 0;
        // SAFETY: the handle is open, and the number is written to memory that outlives the call.
        let told = unsafe {
            match self.end {
                End::Client => GetNamedPipeServerProcessId(handle, &raw mut pid),
                End::Server => GetNamedPipeClientProcessId(handle, &raw mut pid),
            }
        };
        (told != 0 && pid != 0).then_some(pid)
    }
}

impl State {
    fn handle(&self) -> Option<RawHandle> {
        self.handle.as_ref().map(|handle| handle.as_raw_handle())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.close();
    }
}

/// How many bytes were copied to `buffer`, and how many wait.
fn look(handle: HANDLE, buffer: &mut [u8]) -> io::Result<(usize, usize)> {
    let (mut copied, mut there) = (0, 0);
    let most = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
    let memory = if most == 0 { std::ptr::null_mut() } else { buffer.as_mut_ptr().cast() };
    // SAFETY: the handle is open, the buffer is that many bytes that are written to, and the numbers outlive the call.
    let told = unsafe { PeekNamedPipe(handle, memory, most, &raw mut copied, &raw mut there, std::ptr::null_mut()) };
    if told == 0 { Err(io::Error::last_os_error()) } else { Ok((copied as usize, there as usize)) }
}

/// Gives up a read that has not ended, and waits until it has.
fn give_up(handle: HANDLE, outcome: &mut IO_STATUS_BLOCK) -> i32 {
    let outcome: *mut IO_STATUS_BLOCK = outcome;
    loop {
        // SAFETY: the block is valid; it is read as one that another thread, or the kernel, may write at this moment.
        let status = unsafe { (&raw const (*outcome).Anonymous.Status).read_volatile() };
        if status != STATUS_PENDING {
            std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
            return status;
        }
        let mut cancelled = IO_STATUS_BLOCK { Anonymous: IO_STATUS_BLOCK_0 { Status: 0 }, Information: 0 };
        // SAFETY: the handle is open, and both blocks outlive the call.
        unsafe { NtCancelIoFileEx(handle, outcome, &raw mut cancelled) };
        std::thread::yield_now();
    }
}

/// Whether the error is how a pipe says that its peer has gone.
pub(super) fn is_end(error: &io::Error) -> bool {
    let code = error.raw_os_error().unwrap_or_default().cast_unsigned();
    matches!(code, ERROR_BROKEN_PIPE | ERROR_NO_DATA | ERROR_PIPE_NOT_CONNECTED)
}

/// Has what a thread sent stay in flight when that thread ends: the system gives up a thread's operations with it, unless their handle
/// belongs to a completion port. Nothing is ever queued to this one, since no operation asks for that.
fn keep_what_is_in_flight(handle: &OwnedHandle) -> io::Result<()> {
    static PORT: OnceLock<OwnedHandle> = OnceLock::new();
    let make = |file: HANDLE, port: HANDLE| {
        // SAFETY: a file that is open, or none, and a port that is open, or none.
        let port = unsafe { CreateIoCompletionPort(file, port, 0, 1) };
        if port.is_null() { Err(io::Error::last_os_error()) } else { Ok(port) }
    };
    let port = match PORT.get() {
        Some(port) => port,
        None => {
            let made = make(INVALID_HANDLE_VALUE, std::ptr::null_mut())?;
            // SAFETY: the call has just made the handle, and nobody else has it.
            let made = unsafe { OwnedHandle::from_raw_handle(made) };
            PORT.get_or_init(|| made)
        }
    };
    make(handle.as_raw_handle(), port.as_raw_handle()).map(drop)
}
