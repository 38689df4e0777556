//! `simple-ipc ls`: the channels that somebody listens on.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use simple_ipc::{ChannelInfo, Mode, Result};

use crate::arguments::{Ls, Place};
use crate::output;
use crate::report::{one_line, to_json};

const HEADINGS: [&str; 6] = ["CHANNEL", "ADDRESS", "MODE", "SUBSCRIBERS", "PID", "SINCE"];

pub(crate) fn run(place: &Place, ls: &Ls) -> Result<ExitCode> {
    let channels = simple_ipc::channels(place.dir.as_deref())?;
    let text = if ls.json { lines(&channels) } else { table(&channels) };
    output::write(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// A live channel as `--json` shows it: null is what its lock file does not say.
#[derive(Serialize)]
struct Record<'a> {
    channel: &'a str,
    address: &'a str,
    mode: Option<&'a str>,
    publishes: bool,
    subscribers: Option<u64>,
    pid: Option<i32>,
    since: Option<String>,
    version: Option<&'a str>,
    /// Left out where it does not pass messages on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    bridge: bool,
}

fn lines(channels: &[ChannelInfo]) -> String {
    let line = |info: &ChannelInfo| {
        let record = Record {
            channel: &info.channel,
            address: &info.address,
            mode: info.mode.map(Mode::name),
            publishes: info.publishes,
            subscribers: info.subscribers,
            pid: info.pid,
            since: info.started_ms.map(since),
            version: info.version.as_deref(),
            bridge: info.bridge,
        };
        to_json(&record) + "\n"
    };
    channels.iter().map(line).collect()
}

fn table(channels: &[ChannelInfo]) -> String {
    let row = |info: &ChannelInfo| {
        let unknown = || "unknown".to_owned();
        let mode = info.mode.map_or("unknown", Mode::name);
        let mode = if info.bridge { format!("{mode}, bridge") } else { mode.to_owned() };
        let subscribers = match info.subscribers {
            _ if !info.publishes => "-".to_owned(),
            Some(subscribers) => subscribers.to_string(),
            None => unknown(),
        };
        let pid = info.pid.map_or_else(unknown, |pid| pid.to_string());
        let since = info.started_ms.map_or_else(unknown, since);
        [&info.channel, &info.address, &mode, &subscribers, &pid, &since].map(String::as_str).map(one_line)
    };
    let rows: Vec<[String; 6]> = channels.iter().map(row).collect();
    aligned(HEADINGS.map(str::to_owned), &rows)
}

/// Columns as wide as their widest cell, two spaces apart.
fn aligned(headings: [String; 6], rows: &[[String; 6]]) -> String {
    let all = || std::iter::once(&headings).chain(rows);
    let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut table = String::new();
    for row in all() {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        table.push_str(cells.join("  ").trim_end());
        table.push('\n');
    }
    table
}

/// Milliseconds since the Unix epoch as RFC 3339 in UTC; `-` for a time that no calendar has.
fn since(started_ms: u64) -> String {
    // The end of the year 9999, where RFC 3339 ends.
    const LAST: u64 = 253_402_300_799_999;
    if started_ms > LAST {
        return "-".to_owned();
    }
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(started_ms);
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(since(1_763_829_000_123), "2025-11-22T16:30:00.123Z");
        assert_eq!(since(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
        assert_eq!(since(u64::MAX), "-");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let cells = |cells: [&str; 6]| cells.map(str::to_owned);
        let table = aligned(cells(["A", "B", "C", "D", "E", "F"]), &[cells(["a", "bbb", "", "é", "e", "f"])]);
        assert_eq!(table, "A  B    C  D  E  F\na  bbb     é  e  f\n");
    }
}
