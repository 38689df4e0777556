//! The listening side of a named pipe: instances that wait for a client each, and are taken when they have one.

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use windows_sys::Wdk::Storage::FileSystem::{FSCTL_PIPE_LISTEN, NtFsControlFile};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_PIPE_BUSY, INVALID_HANDLE_VALUE, STATUS_PIPE_CLOSING, STATUS_PIPE_CONNECTED,
    STATUS_SUCCESS,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_UNLIMITED_INSTANCES,
    PIPE_WAIT,
};

use super::event::Event;
use super::file::Access;
use super::operation::Operation;
use super::owner::is_own;
use super::pipe::{End, Pipe};
use super::refusal::{Refusal, by};
use super::{pipe_name, sid};
use crate::lock::lock;

/// How many instances wait: so many clients may come before one is taken.
const WAITING: usize = 16;
/// How much the system may hold of what one side wrote, in bytes.
const BUFFER: u32 = 256 << 10;
/// How long a pipe may still be there that a listener has left which has just ended.
const LEFT_BEHIND: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(5);

/// A pipe that clients connect to. It is there for as long as this, or one of its connections, is.
pub(crate) struct PipeServer {
    name: Vec<u16>,
    access: Access,
    waiting: Mutex<Waiting>,
    /// Set when a client has come: by the kernel. Cleared by whoever has another instance wait, under `waiting`, and set again where
    /// one has a client.
    arrivals: Arc<Event>,
}

#[derive(Debug, Default)]
struct Waiting {
    instances: Vec<Instance>,
    /// Nobody may connect any more: who is taken is not replaced.
    is_over: bool,
}

#[derive(Debug)]
struct Instance {
    // Dropped in this order: the wait is over before its handle is closed.
    /// Done when a client has connected; or without one, where the thread that began it has ended: the system gives up a thread's
    /// operations with it.
    client: Operation<()>,
    handle: OwnedHandle,
}

impl PipeServer {
    /// Makes the pipe of a channel's path. `mode` is who may connect, as the permission bits of Unix say it.
    pub(super) fn new(path: &Path, mode: u32) -> Result<PipeServer, Refusal> {
        let others = (mode & 0o006 != 0).then_some("GRGW");
        let access = Access::new(others).map_err(by("ConvertStringSecurityDescriptor"))?;
        let arrivals = Arc::new(Event::new().map_err(by("CreateEvent"))?);
        let server = PipeServer { name: pipe_name::of(path), access, waiting: Mutex::default(), arrivals };
        let first = server.first_instance()?;
        let mut waiting = vec![first];
        while waiting.len() < WAITING {
            waiting.push(server.instance(0).map_err(by("CreateNamedPipe"))?);
        }
        lock(&server.waiting).instances = waiting;
        server.tell();
        Ok(server)
    }

    /// The first instance of a pipe that nobody else has; or one more of this user's own, since clients of a dead listener may keep its pipe
    /// for as long as they like. The caller holds the channel's lock, so nobody else of this library listens there.
    fn first_instance(&self) -> Result<Instance, Refusal> {
        let failed = by("CreateNamedPipe");
        let began = Instant::now();
        loop {
            match self.instance(FILE_FLAG_FIRST_PIPE_INSTANCE) {
                Err(error) if is_taken(&error) => {}
                done => return done.map_err(failed),
            }
            if began.elapsed() > LEFT_BEHIND {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        let instance = self.instance(0).map_err(&failed)?;
        let owner = sid::of_file(instance.handle.as_handle()).map_err(by("GetSecurityInfo"))?;
        if is_own(&owner) {
            Ok(instance)
        } else {
            Err(failed(io::Error::from_raw_os_error(ERROR_ACCESS_DENIED.cast_signed())))
        }
    }

    /// Takes a client that has connected, without waiting for one.
    pub(super) fn accept(&self) -> io::Result<Pipe> {
        let taken = self.take();
        // A wait that has begun has cleared the event.
        self.tell();
        Pipe::adopt(taken?.handle, End::Server)
    }

    fn take(&self) -> io::Result<Instance> {
        let mut waiting = lock(&self.waiting);
        while let Some(at) = waiting.instances.iter().position(|instance| instance.client.is_done()) {
            if waiting.is_over {
                return Ok(waiting.instances.swap_remove(at));
            }
            let instance = &mut waiting.instances[at];
            if instance.client.bytes().is_err() {
                // It waits again, since a client may connect to it all the while.
                instance.client = self.wait_for_client(&instance.handle)?;
                continue;
            }
            // Without another one in its place it stays, for when there is room again.
            let next = self.instance(0)?;
            return Ok(std::mem::replace(instance, next));
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Lets nobody connect any more. Those who have can still be taken.
    pub(super) fn stop(&self) {
        let mut waiting = lock(&self.waiting);
        waiting.is_over = true;
        waiting.instances.retain(|instance| {
            instance.client.end();
            instance.client.bytes().is_ok()
        });
    }

    /// Whether a client has connected.
    pub(super) fn someone_waits(&self) -> bool {
        lock(&self.waiting).instances.iter().any(|instance| instance.client.is_done())
    }

    pub(super) fn arrivals(&self) -> &Arc<Event> {
        &self.arrivals
    }

    /// Sets the event where a client has connected: an instance that began to wait has cleared it.
    fn tell(&self) {
        if self.someone_waits() {
            self.arrivals.set();
        }
    }

    fn instance(&self, first: u32) -> io::Result<Instance> {
        let attributes = self.access.attributes();
        // SAFETY: the name ends with a zero, and the attributes outlive the call.
        let handle = unsafe {
            CreateNamedPipeW(
                self.name.as_ptr(),
                PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | first,
                PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
                PIPE_UNLIMITED_INSTANCES,
                BUFFER,
                BUFFER,
                0,
                &raw const attributes,
            )
        };
        if handle == INVALID_HANDLE_VALUE {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just made the handle, and nobody else has it.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        Ok(Instance { client: self.wait_for_client(&handle)?, handle })
    }

    /// Has an instance wait for a client.
    fn wait_for_client(&self, handle: &OwnedHandle) -> io::Result<Operation<()>> {
        let event = self.arrivals.handle();
        Operation::begin(handle.as_raw_handle(), (), |file, outcome, _| {
            // SAFETY: the handle is open; the outcome is the operation's and outlives it; nothing is read or written besides.
            let status = unsafe {
                NtFsControlFile(
                    file,
                    event,
                    None,
                    std::ptr::null(),
                    outcome,
                    FSCTL_PIPE_LISTEN,
                    std::ptr::null(),
                    0,
                    std::ptr::null_mut(),
                    0,
                )
            };
            match status {
                // A client was quicker, and may have gone again: its stream says so.
                STATUS_PIPE_CONNECTED | STATUS_PIPE_CLOSING => STATUS_SUCCESS,
                status => status,
            }
        })
    }
}

impl std::fmt::Debug for PipeServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipeServer").field("name", &String::from_utf16_lossy(&self.name)).finish_non_exhaustive()
    }
}

/// Whether somebody else has a pipe of this name.
pub(super) fn is_taken(error: &io::Error) -> bool {
    let code = error.raw_os_error().unwrap_or_default().cast_unsigned();
    matches!(code, ERROR_ACCESS_DENIED | ERROR_PIPE_BUSY)
}
