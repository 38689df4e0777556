//! The memory that the two processes of a session share: two rings of bytes, one each way, in one sealed `memfd`.
//!
//! The file has no name and can neither shrink nor grow, so no access to it can fault, and nothing of it is left when both processes
//! have gone. Its pages are allocated when it is made and mapped when it is set up: the first message does not pay for them.

use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags};

use super::super::fork::{self, ForkFd};
use super::ring::Words;

/// How many bytes come before the rings: the words of both, on the file's first page.
const WORDS: usize = 4096;
/// The capacities that a ring may have, in bytes.
const SMALLEST: usize = 64 << 10;
const LARGEST: usize = 1 << 20;

/// What no process may do to the file any more.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

const _: () = assert!(2 * size_of::<Words>() <= WORDS);

/// How many bytes of memory two rings of this capacity take.
pub(crate) const fn size(capacity: usize) -> usize {
    WORDS + 2 * capacity
}

/// Two mapped rings. The first one carries what the listener sends.
pub(crate) struct Memory {
    at: NonNull<u8>,
    capacity: usize,
    /// The generation (see [`fork`]) that mapped it: a forked child does not have it.
    born: u32,
}

// SAFETY: the mapping may be used from any thread; its words are atomic, and its bytes are only copied by `copy_in` and `copy_out`,
// whose callers use one thread at a time for each.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Makes and maps two rings of this capacity, for oneself and for whoever gets the descriptor.
    pub(super) fn make(capacity: usize) -> io::Result<(Memory, ForkFd)> {
        let fd =
            ForkFd::open(|| rustix::fs::memfd_create("simple-ipc", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING))?;
        let size = size(capacity);
        // A file over the limit would not only fail: a signal would end the process.
        if rustix::process::getrlimit(rustix::process::Resource::Fsize).current.is_some_and(|most| most < size as u64) {
            return Err(Errno::FBIG.into());
        }
        // Where memory is short this fails, and an access later would end the process.
        rustix::fs::ftruncate(&fd, size as u64)?;
        rustix::fs::fallocate(&fd, FallocateFlags::empty(), 0, size as u64)?;
        rustix::fs::fcntl_add_seals(&fd, SEALS)?;
        let memory = Memory::map(&fd, capacity)?;
        for nth in 0..2 {
            // SAFETY: the place is mapped, aligned, and large enough for the words of two rings; nobody else has the file yet.
            unsafe { memory.at.cast::<Words>().add(nth).write(Words::new()) };
        }
        Ok((memory, fd))
    }

    /// Maps rings of this capacity that the peer has made. An error where the file is not what it is to be.
    pub(super) fn take(fd: &ForkFd, capacity: usize) -> io::Result<Memory> {
        let is_fitting = capacity.is_power_of_two() && (SMALLEST..=LARGEST).contains(&capacity);
        let is_sealed = || rustix::fs::fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(SEALS));
        let has_size =
            || rustix::fs::fstat(fd).is_ok_and(|stat| u64::try_from(stat.st_size) == Ok(size(capacity) as u64));
        if !is_fitting || !is_sealed() || !has_size() {
            return Err(Errno::INVAL.into());
        }
        Memory::map(fd, capacity)
    }

    fn map(fd: &ForkFd, capacity: usize) -> io::Result<Memory> {
        let size = size(capacity);
        // SAFETY: a new mapping at an address that the kernel chooses.
        let at = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                size,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::POPULATE,
                fd,
                0,
            )
        }?;
        let at = NonNull::new(at.cast::<u8>()).ok_or(Errno::NOMEM)?;
        // SAFETY: the range was mapped just now.
        unsafe { rustix::mm::madvise(at.as_ptr().cast(), size, Advice::LinuxDontFork) }.inspect_err(|_| {
            // SAFETY: nobody has it yet.
            let _it_stays_mapped = unsafe { rustix::mm::munmap(at.as_ptr().cast(), size) };
        })?;
        Ok(Memory { at, capacity, born: fork::generation() })
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether this process has it, and not one that it was forked from.
    pub(crate) fn is_ours(&self) -> bool {
        self.born == fork::generation()
    }

    /// The words of the first or the second ring.
    pub(crate) fn words(&self, nth: usize) -> &Words {
        assert!(nth < 2);
        // SAFETY: the words of two rings lie at the beginning of the mapping, which lives as long as `self`; they are atomic, so the
        // other process may write them meanwhile, and any bits are a value.
        unsafe { self.at.cast::<Words>().add(nth).as_ref() }
    }

    /// Copies bytes to a place in a ring.
    #[inline]
    pub(crate) fn copy_in(&self, nth: usize, at: usize, bytes: &[u8]) {
        let place = self.place(nth, at, bytes.len());
        // SAFETY: `place` has checked that so many bytes of the mapping are there; memory of this process does not overlap it. The
        // other process may read or write them meanwhile: then it gets, or has, bytes that nobody uses.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
    }

    /// Copies `count` bytes from a place in a ring to `to`. What is copied may be anything where the other process writes meanwhile;
    /// what is checked and used afterwards is the copy.
    ///
    /// # Safety
    ///
    /// `to` is memory of this process, of at least `count` bytes that may be written.
    #[inline]
    pub(crate) unsafe fn copy_out(&self, nth: usize, at: usize, to: *mut u8, count: usize) {
        let place = self.place(nth, at, count);
        // SAFETY: as in `copy_in`; the caller answers for `to`.
        unsafe { std::ptr::copy_nonoverlapping(place.cast_const(), to, count) };
    }

    #[inline]
    fn place(&self, nth: usize, at: usize, count: usize) -> *mut u8 {
        assert!(nth < 2 && at <= self.capacity && count <= self.capacity - at, "a place outside of the ring");
        // SAFETY: it is within the mapping, as just checked.
        unsafe { self.at.as_ptr().add(WORDS + nth * self.capacity + at) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.is_ours() {
            // SAFETY: it was mapped by `map` with this size, and nothing refers to it any more. A forked child, which does not have
            // it, leaves the range alone: it may be something else's there.
            let _it_stays_mapped = unsafe { rustix::mm::munmap(self.at.as_ptr().cast(), size(self.capacity)) };
        }
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// Takes over a descriptor that came with bytes just now: from here on no child has it and does not know.
pub(super) fn adopt(fd: OwnedFd) -> io::Result<ForkFd> {
    ForkFd::open(|| Ok(fd))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What both processes see: another mapping of the same file.
    #[test]
    fn what_one_mapping_gets_is_in_the_other() {
        let (ours, fd) = Memory::make(SMALLEST).unwrap();
        let theirs = Memory::take(&fd, SMALLEST).unwrap();
        ours.copy_in(1, SMALLEST - 3, b"abc");
        let mut bytes = [0; 3];
        // SAFETY: three bytes of this function's.
        unsafe { theirs.copy_out(1, SMALLEST - 3, bytes.as_mut_ptr(), 3) };
        assert_eq!(&bytes, b"abc");
        ours.words(0).wanted().store(7, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(theirs.words(0).wanted().load(std::sync::atomic::Ordering::Relaxed), 7);
        assert_eq!(theirs.words(1).wanted().load(std::sync::atomic::Ordering::Relaxed), 0);
    }

    #[test]
    fn a_file_that_could_shrink_or_has_another_size_is_not_mapped() {
        let (_, fd) = Memory::make(SMALLEST).unwrap();
        assert!(Memory::take(&fd, 2 * SMALLEST).is_err());
        assert!(Memory::take(&fd, 3 << 14).is_err());
        assert!(Memory::take(&fd, 0).is_err());
        assert!(rustix::fs::ftruncate(&fd, 0).is_err(), "it can be cut");
        let open = ForkFd::open(|| rustix::fs::memfd_create("open", MemfdFlags::ALLOW_SEALING)).unwrap();
        rustix::fs::ftruncate(&open, size(SMALLEST) as u64).unwrap();
        assert!(Memory::take(&open, SMALLEST).is_err());
        rustix::fs::fcntl_add_seals(&open, SealFlags::SHRINK | SealFlags::GROW).unwrap();
        assert!(Memory::take(&open, SMALLEST).is_err(), "its seals can be added to");
    }

    #[test]
    #[should_panic(expected = "outside of the ring")]
    fn a_place_outside_of_the_ring_is_no_place() {
        let (memory, _) = Memory::make(SMALLEST).unwrap();
        memory.copy_in(0, SMALLEST - 1, b"ab");
    }
}
