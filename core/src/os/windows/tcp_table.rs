//! The system's table of TCP sockets.

use std::net::{Ipv4Addr, SocketAddrV4};

use windows_sys::Win32::Foundation::ERROR_INSUFFICIENT_BUFFER;
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GetExtendedTcpTable, MIB_TCP_STATE_LISTEN, MIB_TCPROW_OWNER_PID, TCP_TABLE_CLASS, TCP_TABLE_OWNER_PID_CONNECTIONS,
    TCP_TABLE_OWNER_PID_LISTENER,
};
use windows_sys::Win32::Networking::WinSock::AF_INET;

/// How often the table may have grown between two calls.
const MOST_TRIES: usize = 8;

/// The process whose socket has this local and this remote address.
pub(super) fn process_of(local: SocketAddrV4, remote: SocketAddrV4) -> Option<u32> {
    let rows = read(TCP_TABLE_OWNER_PID_CONNECTIONS)?;
    let found = rows.iter().find(|row| {
        address(row.dwLocalAddr, row.dwLocalPort) == local && address(row.dwRemoteAddr, row.dwRemotePort) == remote
    });
    // None of a connection that nobody has any more.
    found.map(|row| row.dwOwningPid).filter(|&pid| pid != 0)
}

/// Whether somebody listens at a port of 127.0.0.1; `None` where the system does not tell.
pub(super) fn listens(port: u16) -> Option<bool> {
    let rows = read(TCP_TABLE_OWNER_PID_LISTENER)?;
    Some(rows.iter().any(|row| {
        let at = address(row.dwLocalAddr, row.dwLocalPort);
        row.dwState == MIB_TCP_STATE_LISTEN.cast_unsigned()
            && at.port() == port
            && (at.ip().is_loopback() || at.ip().is_unspecified())
    }))
}

/// Both numbers are in the network's order, the port in the lower half.
fn address(host: u32, port: u32) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(host.to_ne_bytes()), u16::from_be(port as u16))
}

fn read(class: TCP_TABLE_CLASS) -> Option<Vec<MIB_TCPROW_OWNER_PID>> {
    const ROW: usize = size_of::<MIB_TCPROW_OWNER_PID>() / 4;
    let mut words = vec![0u32; 1 + 64 * ROW];
    for _ in 0..MOST_TRIES {
        let mut size = u32::try_from(size_of_val(&*words)).ok()?;
        // SAFETY: the memory is `size` bytes, aligned for the words that are written to it.
        let failed =
            unsafe { GetExtendedTcpTable(words.as_mut_ptr().cast(), &raw mut size, 0, AF_INET.into(), class, 0) };
        match failed {
            0 => {
                let count = usize::try_from(words[0]).ok()?;
                let rows = words[1..].chunks_exact(ROW).take(count);
                return Some(rows.map(row).collect());
            }
            // Some room for those that come meanwhile.
            ERROR_INSUFFICIENT_BUFFER => words.resize(size as usize / 4 + 16 * ROW, 0),
            _ => return None,
        }
    }
    None
}

fn row(words: &[u32]) -> MIB_TCPROW_OWNER_PID {
    MIB_TCPROW_OWNER_PID {
        dwState: words[0],
        dwLocalAddr: words[1],
        dwLocalPort: words[2],
        dwRemoteAddr: words[3],
        dwRemotePort: words[4],
        dwOwningPid: words[5],
    }
}
