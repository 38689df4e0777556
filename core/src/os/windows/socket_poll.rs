//! Asking the kernel when a socket is ready: one operation of the driver below Winsock (AFD), which is done when it is. `mio` and
//! the `select` of Winsock itself ask in the same way; unlike those of Winsock, the question does not belong to a thread, any number
//! may be open for one socket, and an event tells that it is answered.

use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle};
use std::sync::OnceLock;

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem::{FILE_OPEN, NtCreateFile};
use windows_sys::Wdk::System::IO::NtDeviceIoControlFile;
use windows_sys::Win32::Foundation::{HANDLE, NTSTATUS, UNICODE_STRING};
use windows_sys::Win32::Networking::WinSock::SOCKET;
use windows_sys::Win32::Storage::FileSystem::{FILE_SHARE_READ, FILE_SHARE_WRITE, SYNCHRONIZE};
use windows_sys::Win32::System::IO::{IO_STATUS_BLOCK, IO_STATUS_BLOCK_0};

use super::event::Event;
use super::operation::{Operation, error_of};

const IOCTL_AFD_POLL: u32 = 0x0001_2024;

const RECEIVE: u32 = 0x1;
const SEND: u32 = 0x4;
/// The peer sends nothing more.
const DISCONNECT: u32 = 0x8;
/// The connection was reset.
pub(super) const ABORT: u32 = 0x10;
/// This side has closed the socket.
const LOCAL_CLOSE: u32 = 0x20;
const ACCEPT: u32 = 0x80;
const CONNECT_FAIL: u32 = 0x100;

/// Bytes, their end, or a connection that waits.
pub(super) const READABLE: u32 = RECEIVE | DISCONNECT | ABORT | LOCAL_CLOSE | ACCEPT | CONNECT_FAIL;
/// Room, or a connection that was made, or was not.
pub(super) const WRITABLE: u32 = SEND | ABORT | LOCAL_CLOSE | CONNECT_FAIL;

/// The structure that the driver takes and gives back, for one socket.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct PollInfo {
    timeout: i64,
    count: u32,
    exclusive: u32,
    socket: HANDLE,
    events: u32,
    status: NTSTATUS,
}

// SAFETY: the handle is only a number here.
unsafe impl Send for PollInfo {}

pub(super) type SocketPoll = Operation<PollInfo>;

/// Asks when one of `events` is true of the socket; `event` is set then, and cleared first.
pub(super) fn begin(socket: SOCKET, events: u32, event: &Event) -> io::Result<SocketPoll> {
    let info = PollInfo {
        timeout: i64::MAX,
        count: 1,
        exclusive: 0,
        socket: std::ptr::without_provenance_mut(socket),
        events,
        status: 0,
    };
    let len = size_of::<PollInfo>() as u32;
    let event = event.handle();
    Operation::begin(driver()?, info, |file, outcome, info| {
        // SAFETY: the driver's handle stays open; outcome and memory are the operation's and outlive it; `info` is a
        // structure of the driver's form and length.
        unsafe {
            NtDeviceIoControlFile(
                file,
                event,
                None,
                std::ptr::null(),
                outcome,
                IOCTL_AFD_POLL,
                info.cast(),
                len,
                info.cast(),
                len,
            )
        }
    })
}

/// What was found to be true, of a question that is answered.
pub(super) fn found(poll: &SocketPoll) -> u32 {
    poll.content().filter(|info| info.count > 0).map_or(0, |info| info.events)
}

/// The driver, opened once.
fn driver() -> io::Result<HANDLE> {
    static DRIVER: OnceLock<File> = OnceLock::new();
    if let Some(driver) = DRIVER.get() {
        return Ok(driver.as_raw_handle());
    }
    let opened = open_driver()?;
    Ok(DRIVER.get_or_init(|| opened).as_raw_handle())
}

fn open_driver() -> io::Result<File> {
    let mut path: Vec<u16> = r"\Device\Afd\SimpleIpc".encode_utf16().collect();
    let bytes = u16::try_from(path.len() * 2).unwrap_or(u16::MAX);
    let name = UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: path.as_mut_ptr() };
    let attributes = OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: std::ptr::null_mut(),
        ObjectName: &raw const name,
        Attributes: 0,
        SecurityDescriptor: std::ptr::null(),
        SecurityQualityOfService: std::ptr::null(),
    };
    let mut file: HANDLE = std::ptr::null_mut();
    let mut outcome = IO_STATUS_BLOCK { Anonymous: IO_STATUS_BLOCK_0 { Status: 0 }, Information: 0 };
    // SAFETY: every pointer is to memory that outlives the call; without an option of synchronous files the handle is for
    // operations that are done later.
    let status = unsafe {
        NtCreateFile(
            &raw mut file,
            SYNCHRONIZE,
            &raw const attributes,
            &raw mut outcome,
            std::ptr::null(),
            0,
            FILE_SHARE_READ | FILE_SHARE_WRITE,
            FILE_OPEN,
            0,
            std::ptr::null(),
            0,
        )
    };
    if status < 0 {
        return Err(error_of(status));
    }
    // SAFETY: the call has just made the handle, and nobody else has it.
    Ok(unsafe { File::from_raw_handle(file) })
}
