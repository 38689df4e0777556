//! `simple-ipc ls`: the channels that somebody listens on.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use simple_ipc::{ChannelInfo, Mode, Result};

use crate::arguments::{Ls, Place};
use crate::ending::Ending;
use crate::output::{self, Reader};
use crate::report::{one_line, to_json};

const HEADINGS: [&str; 6] = ["CHANNEL", "ADDRESS", "MODE", "SUBSCRIBERS", "PID", "SINCE"];

pub(crate) fn run(place: &Place, ls: &Ls) -> Result<ExitCode> {
    let channels = simple_ipc::channels(place.dir.as_deref())?;
    let Some(interval) = ls.watch else {
        let text = if ls.json { lines(&channels) } else { table(&channels) };
        output::write(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    };
    let ending = Ending::watch()?;
    let mut before: Vec<ChannelInfo> = Vec::new();
    let mut now = channels;
    loop {
        let changes = changes(&before, &now);
        let text: String = changes.iter().map(|change| change.line(ls.json)).collect();
        if output::write(text.as_bytes())? == Reader::Gone || ending.comes_within(interval) {
            break;
        }
        before = now;
        now = simple_ipc::channels(place.dir.as_deref())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What has become of a channel since the last look.
#[derive(Debug)]
struct Change<'a> {
    what: &'static str,
    info: &'a ChannelInfo,
}

/// What is different between two looks, both sorted by channel.
fn changes<'a>(before: &'a [ChannelInfo], now: &'a [ChannelInfo]) -> Vec<Change<'a>> {
    let find = |all: &'a [ChannelInfo], info: &ChannelInfo| all.iter().find(|other| other.address == info.address);
    let gone = before.iter().filter(|info| find(now, info).is_none()).map(|info| Change { what: "gone", info });
    let there = now.iter().filter_map(|info| match find(before, info) {
        None => Some(Change { what: "appeared", info }),
        Some(earlier) if earlier == info => None,
        // Another process, or the same that listens anew.
        Some(earlier) if (earlier.pid, earlier.started_ms) != (info.pid, info.started_ms) => {
            Some(Change { what: "replaced", info })
        }
        Some(_) => Some(Change { what: "changed", info }),
    });
    gone.chain(there).collect()
}

#[derive(Serialize)]
struct ChangeRecord<'a> {
    change: &'a str,
    #[serde(flatten)]
    channel: Record<'a>,
}

impl Change<'_> {
    fn line(&self, json: bool) -> String {
        if json {
            return to_json(&ChangeRecord { change: self.what, channel: record(self.info) }) + "\n";
        }
        let [channel, address, mode, subscribers, pid, _] = cells(self.info);
        let besides = if self.info.publishes { format!(", {subscribers} subscribers") } else { String::new() };
        format!("{:<8}  {channel}  {mode}{besides}, pid {pid}  {address}\n", self.what)
    }
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

fn record(info: &ChannelInfo) -> Record<'_> {
    Record {
        channel: &info.channel,
        address: &info.address,
        mode: info.mode.map(Mode::name),
        publishes: info.publishes,
        subscribers: info.subscribers,
        pid: info.pid,
        since: info.started_ms.map(since),
        version: info.version.as_deref(),
        bridge: info.bridge,
    }
}

fn lines(channels: &[ChannelInfo]) -> String {
    channels.iter().map(|info| to_json(&record(info)) + "\n").collect()
}

/// What is shown of a channel, for each of the headings.
fn cells(info: &ChannelInfo) -> [String; 6] {
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
}

fn table(channels: &[ChannelInfo]) -> String {
    let rows: Vec<[String; 6]> = channels.iter().map(cells).collect();
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
pub(crate) fn since(started_ms: u64) -> String {
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
