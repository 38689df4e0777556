//! Whom a process acts for: the security identifier (SID) of its user, as text.

use std::ffi::c_void;
use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};

use windows_sys::Win32::Foundation::{HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{ConvertSidToStringSidW, GetSecurityInfo, SE_FILE_OBJECT};
use windows_sys::Win32::Security::{
    GetTokenInformation, OWNER_SECURITY_INFORMATION, PSID, TOKEN_INFORMATION_CLASS, TOKEN_OWNER, TOKEN_QUERY,
    TOKEN_USER, TokenOwner, TokenUser,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

/// The user of this process.
pub(super) fn own() -> io::Result<String> {
    // SAFETY: it gives a constant that stands for this process.
    of_token(&token_of(unsafe { GetCurrentProcess() })?, TokenUser)
}

/// To whom new objects of this process belong: the user, or for an administrator that group.
pub(super) fn own_default_owner() -> io::Result<String> {
    // SAFETY: it gives a constant that stands for this process.
    of_token(&token_of(unsafe { GetCurrentProcess() })?, TokenOwner)
}

/// The user of another process.
pub(super) fn of_process(pid: u32) -> io::Result<String> {
    // SAFETY: it takes numbers.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
    if process.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made the handle, and nobody else has it.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    of_token(&token_of(process.as_raw_handle())?, TokenUser)
}

/// The owner of an open file, for which it was opened with the right to read that.
pub(super) fn of_file(file: BorrowedHandle<'_>) -> io::Result<String> {
    let mut owner: PSID = std::ptr::null_mut();
    let mut descriptor: *mut c_void = std::ptr::null_mut();
    // SAFETY: the file is open, and the two results are written to memory that outlives the call; what is not asked for is
    // null, which the call allows.
    let failed = unsafe {
        GetSecurityInfo(
            file.as_raw_handle(),
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION,
            &raw mut owner,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            &raw mut descriptor,
        )
    };
    if failed != 0 {
        return Err(io::Error::from_raw_os_error(failed.cast_signed()));
    }
    let descriptor = Local(descriptor);
    // SAFETY: the owner stands in the descriptor, which lives until the end of this function.
    let text = unsafe { text_of(owner) };
    drop(descriptor);
    text
}

fn token_of(process: HANDLE) -> io::Result<OwnedHandle> {
    let mut token: HANDLE = std::ptr::null_mut();
    // SAFETY: the handle is open, and the result is written to memory that outlives the call.
    if unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made the handle, and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(token) })
}

fn of_token(token: &OwnedHandle, class: TOKEN_INFORMATION_CLASS) -> io::Result<String> {
    // More than a structure with the longest identifier (68 bytes) takes, and aligned for pointers.
    let mut memory = [0u64; 32];
    let mut len = 0;
    let size = u32::try_from(size_of_val(&memory)).unwrap_or(0);
    // SAFETY: the token is open, and the memory is `size` bytes that outlive the call.
    let done =
        unsafe { GetTokenInformation(token.as_raw_handle(), class, memory.as_mut_ptr().cast(), size, &raw mut len) };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let sid = if class == TokenUser {
        // SAFETY: the call has written a structure of this form to the memory.
        unsafe { (*memory.as_ptr().cast::<TOKEN_USER>()).User.Sid }
    } else {
        // SAFETY: the same.
        unsafe { (*memory.as_ptr().cast::<TOKEN_OWNER>()).Owner }
    };
    // SAFETY: the identifier stands in the memory.
    unsafe { text_of(sid) }
}

/// # Safety
///
/// `sid` points to an identifier.
unsafe fn text_of(sid: PSID) -> io::Result<String> {
    let mut text: *mut u16 = std::ptr::null_mut();
    // SAFETY: as the caller promises; the result is written to memory that outlives the call.
    if unsafe { ConvertSidToStringSidW(sid, &raw mut text) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let owned = Local(text.cast());
    let mut len = 0;
    // SAFETY: the text ends with a zero, and nothing behind that is read.
    while unsafe { *text.add(len) } != 0 {
        len += 1;
    }
    // SAFETY: so many words stand there, and live until `owned` is dropped.
    let words = unsafe { std::slice::from_raw_parts(text, len) };
    let read = String::from_utf16_lossy(words);
    drop(owned);
    Ok(read)
}

/// Memory that the system has given out.
pub(super) struct Local(pub(super) *mut c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: the system's call gave this memory to be freed so, once.
        unsafe { LocalFree(self.0) };
    }
}
