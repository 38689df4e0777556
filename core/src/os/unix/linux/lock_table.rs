//! The kernel's table of file locks.

use super::super::file_id::Identity;
use super::super::holders::Holders;
use super::table::read_table;

/// Who holds `flock` locks on the file, as far as this process can see; `None`: it cannot.
///
/// The kernel gives the table out a page at a time and goes on by line number, so a line can be
/// missed where locks are let go of meanwhile: that nobody is in it is not certain.
pub(in crate::os) fn holders(identity: Identity) -> Option<Holders> {
    let table = read_table("/proc/locks").ok()?;
    Some(find_holders(&String::from_utf8_lossy(&table), identity))
}

/// `1: FLOCK  ADVISORY  WRITE 4711 fe:00:10010717 0 EOF`: the device in hexadecimal, the inode in
/// decimal. Who only waits for a lock has `->` before the type.
fn find_holders(table: &str, identity: Identity) -> Holders {
    let (major, minor) = (rustix::fs::major(identity.device), rustix::fs::minor(identity.device));
    let mut holders = Holders::default();
    for line in table.lines() {
        let mut fields = line.split_ascii_whitespace().skip(1);
        if fields.next() != Some("FLOCK") {
            continue;
        }
        let access = fields.nth(1);
        let pid = fields.next().and_then(|pid| pid.parse::<i32>().ok());
        let mut file = fields.next().unwrap_or("").split(':');
        let mut device = || file.next().and_then(|part| u32::from_str_radix(part, 16).ok());
        let same = device() == Some(major)
            && device() == Some(minor)
            && file.next().and_then(|inode| inode.parse::<u64>().ok()) == Some(identity.inode);
        match (same, access) {
            (true, Some("WRITE")) => holders.writer = pid,
            (true, Some("READ")) => holders.reader = pid,
            _ => {}
        }
    }
    holders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_locks_tells_writers_from_readers_and_from_those_who_wait() {
        let table = "\
1: POSIX  ADVISORY  WRITE 11 fe:00:77 0 EOF
2: FLOCK  ADVISORY  WRITE 4486 fe:00:10010717 0 EOF
2: -> FLOCK  ADVISORY  WRITE 5000 fe:00:10010718 0 EOF
3: FLOCK  ADVISORY  READ  99 fe:00:10010718 0 EOF
4: FLOCK  ADVISORY  WRITE 98 fe:01:10010719 0 EOF
nonsense
5: FLOCK  ADVISORY  WRITE x fe:00:10010720 0 EOF
6: OFDLCK ADVISORY  WRITE -1 fe:00:10010721 0 EOF
";
        let of = |inode| find_holders(table, Identity { device: rustix::fs::makedev(0xfe, 0), inode });
        assert_eq!(of(10010717), Holders { writer: Some(4486), reader: None });
        assert_eq!(of(10010718), Holders { writer: None, reader: Some(99) });
        for other in [77, 10010719, 10010720, 10010721, 0] {
            assert_eq!(of(other), Holders::default(), "{other}");
        }
    }
}
