//! Files that only their owner may change, and what stands at a path.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle};
use std::path::Path;

use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, CreateFileW, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_NORMAL,
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_CREATION_DISPOSITION, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_READ_ATTRIBUTES, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE, GetFileInformationByHandle,
    OPEN_EXISTING, READ_CONTROL,
};

use super::owner::{is_own, own_owner};
use super::refusal::{Refusal, by};
use super::sid::{self, Local};

/// Who may do what with an object: a list of access rights, as the calls that make objects take it.
pub(super) struct Access {
    descriptor: Local,
}

// SAFETY: the descriptor is only read once it is made.
unsafe impl Send for Access {}
// SAFETY: the same.
unsafe impl Sync for Access {}

impl Access {
    /// All rights for this user, the system and the administrators; for everybody else what `others` says in the language of
    /// such lists (`FR`: to read a file), or nothing.
    pub(super) fn new(others: Option<&str>) -> io::Result<Access> {
        let own = own_owner().sid().unwrap_or_default();
        let mut text = format!("D:P(A;;GA;;;{own})(A;;GA;;;SY)(A;;GA;;;BA)");
        if let Some(rights) = others {
            text.push_str(&format!("(A;;{rights};;;WD)"));
        }
        let text: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut descriptor: *mut c_void = std::ptr::null_mut();
        // SAFETY: the text ends with a zero, and the result is written to memory that outlives the call.
        let made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                std::ptr::null_mut(),
            )
        };
        if made == 0 { Err(io::Error::last_os_error()) } else { Ok(Access { descriptor: Local(descriptor) }) }
    }

    /// As calls take it; no child inherits the handle.
    pub(super) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: self.descriptor.0,
            bInheritHandle: 0,
        }
    }
}

/// Opens a file, or makes it for those whom `access` lets in. A link is not followed, and others may open, change and remove it
/// meanwhile.
pub(super) fn open(
    path: &Path,
    rights: u32,
    how: FILE_CREATION_DISPOSITION,
    access: Option<&Access>,
) -> io::Result<File> {
    let path: Vec<u16> = path.as_os_str().encode_wide().chain([0]).collect();
    let attributes = access.map(Access::attributes);
    let attributes = attributes.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the path ends with a zero, and what is pointed to outlives the call.
    let handle = unsafe {
        CreateFileW(
            path.as_ptr(),
            rights,
            FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
            attributes,
            how,
            FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS,
            std::ptr::null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made the handle, and nobody else has it.
    Ok(unsafe { File::from_raw_handle(handle) })
}

/// Which file it is, whatever it is called. As long as it is open, no other one gets the same identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    volume: u32,
    index: u64,
}

/// What stands at a path.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) identity: Identity,
    kind: Kind,
    /// Its owner's identifier; empty where that is not told.
    owner: String,
    pub(super) links: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    Link,
}

impl Place {
    /// What stands at `path`; `None` where nothing does.
    pub(super) fn at(path: &Path) -> io::Result<Option<Place>> {
        match open(path, FILE_READ_ATTRIBUTES | READ_CONTROL, OPEN_EXISTING, None) {
            Ok(file) => Place::of(&file).map(Some),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An open file, which may be asked for its owner.
    pub(super) fn of(file: &File) -> io::Result<Place> {
        let mut found = std::mem::MaybeUninit::<BY_HANDLE_FILE_INFORMATION>::uninit();
        // SAFETY: the file is open, and the structure is written to before it is read.
        let found = unsafe {
            if GetFileInformationByHandle(file.as_raw_handle(), found.as_mut_ptr()) == 0 {
                return Err(io::Error::last_os_error());
            }
            found.assume_init()
        };
        let kind = if found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
            Kind::Link
        } else if found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY != 0 {
            Kind::Directory
        } else {
            Kind::File
        };
        let both = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        Ok(Place {
            identity: Identity {
                volume: found.dwVolumeSerialNumber,
                index: both(found.nFileIndexHigh, found.nFileIndexLow),
            },
            kind,
            owner: sid::of_file(file.as_handle()).unwrap_or_default(),
            links: found.nNumberOfLinks,
        })
    }

    pub(super) fn is_file(&self) -> bool {
        self.kind == Kind::File
    }

    /// Whether it belongs to the user that this process acts as.
    pub(super) fn is_ours(&self) -> bool {
        is_own(&self.owner)
    }

    /// Whether it belongs to this user, the system or its administrators.
    pub(super) fn is_trusted(&self) -> bool {
        self.is_ours() || crate::peer::Owner::from_sid(&self.owner).is_root()
    }
}

/// Names it as an error does: `a directory`, `a file of user S-1-5-18`.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            Kind::File => "a file",
            Kind::Directory => "a directory",
            Kind::Link => "a link",
        })?;
        if self.kind == Kind::File && self.links > 1 {
            f.write_str(" with several hard links")?;
        }
        match (self.is_ours(), self.owner.as_str()) {
            (true, _) => Ok(()),
            (false, "") => f.write_str(" of an unknown user"),
            (false, owner) => write!(f, " of user {owner}"),
        }
    }
}

/// Whether nothing stands there.
pub(super) fn is_missing(error: &io::Error) -> bool {
    let code = error.raw_os_error().unwrap_or_default().cast_unsigned();
    matches!(code, ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND)
}

/// Removes what stands at the path, if it is this file.
pub(super) fn remove_if_it_is(path: &Path, identity: Identity) -> Result<(), Refusal> {
    match Place::at(path).map_err(by("CreateFile"))? {
        Some(place) if place.identity == identity => match std::fs::remove_file(path) {
            Err(error) if !is_missing(&error) => Err(by("DeleteFile")(error)),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}
