//! Calls that a signal interrupted are made again, but not for ever.

use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::fork::ForkFd;

/// Far more signals than can meet one call that does not wait.
const MOST: usize = 100;

/// Makes a call again while it is interrupted; at last the interruption is its error.
pub(super) fn on_interrupt<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 1..MOST {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
    call()
}

/// The whole of one of the kernel's tables in `/proc`.
pub(super) fn read_table(path: &str) -> Result<Vec<u8>, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = on_interrupt(|| ForkFd::open(|| rustix::fs::open(Path::new(path), flags, Mode::empty())))?;
    // The kernel gives out a page or so at a time.
    let mut table = vec![0; 32 << 10];
    let mut len = 0;
    loop {
        if table.len() - len < 4096 {
            table.resize(2 * table.len(), 0);
        }
        match on_interrupt(|| rustix::io::read(&file, &mut table[len..]))? {
            0 => break,
            read => len += read,
        }
    }
    table.truncate(len);
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_call_is_made_again_but_not_for_ever() {
        let mut left = 3;
        let call = || {
            left -= 1;
            if left > 0 { Err(Errno::INTR) } else { Ok(()) }
        };
        assert_eq!(on_interrupt(call), Ok(()));
        let mut calls = 0;
        let call = || {
            calls += 1;
            Err::<(), _>(Errno::INTR)
        };
        assert_eq!(on_interrupt(call), Err(Errno::INTR));
        assert_eq!(calls, MOST);
        assert_eq!(on_interrupt(|| Err::<(), _>(Errno::MFILE)), Err(Errno::MFILE));
    }

    #[test]
    fn a_table_is_read_to_its_end() {
        let table = read_table("/proc/self/maps").unwrap();
        assert!(table.ends_with(b"\n"));
        assert_eq!(read_table("/proc/self/nothing"), Err(Errno::NOENT));
    }
}
