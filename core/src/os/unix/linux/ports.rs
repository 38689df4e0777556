//! Which ports are for whom.

use super::table::read_table;

/// The first port that every user may bind; 0 where the system does not say.
pub(in crate::os) fn first_unprivileged() -> u16 {
    let setting = read_table("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    std::str::from_utf8(&setting).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}
