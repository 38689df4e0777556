//! The kernel's tables in `/proc`.

use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::super::fork::ForkFd;
use super::super::retry::on_interrupt;

/// The whole of one of the kernel's tables in `/proc`.
pub(in crate::os) fn read_table(path: &str) -> Result<Vec<u8>, Errno> {
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
    fn a_table_is_read_to_its_end() {
        let table = read_table("/proc/self/maps").unwrap();
        assert!(table.ends_with(b"\n"));
        assert_eq!(read_table("/proc/self/nothing"), Err(Errno::NOENT));
    }
}
