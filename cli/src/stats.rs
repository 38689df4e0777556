//! `simple-ipc stats`: what a live listener has counted.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use simple_ipc::{Channel, Counters, ListenerState, Options, Result, blocking};

use crate::arguments::{Place, Stats};
use crate::closed_output;
use crate::ending::Ending;
use crate::output::{self, Reader};
use crate::post::reachable_channel;
use crate::report::{one_line, to_json};

/// The columns of --watch; after so many lines they are named again.
const COLUMNS: [&str; 9] =
    ["OPEN", "IN_FLIGHT", "ABANDONED", "STREAMS", "SUBSCRIBERS", "MESSAGES/S", "FAILED/S", "PUBLISHED/S", "DROPPED/S"];
const NAMED_AGAIN: u64 = 20;

pub(crate) fn run(place: &Place, stats: &Stats) -> Result<ExitCode> {
    let channel = reachable_channel("ask", &stats.at.channel)?;
    closed_output::check("the counters")?;
    let options = stats.reach.apply(place.options(), stats.timeout);
    let first = blocking::inspect(&channel, &options)?;
    match stats.watch {
        Some(interval) => watch(&channel, &options, first, stats, interval)?,
        None if stats.json => drop(output::line(to_json(&Record { channel: &channel.to_string(), state: &first }))?),
        None => drop(output::write(text(&channel.to_string(), &first).as_bytes())?),
    }
    Ok(ExitCode::SUCCESS)
}

/// What a listener tells, as `--json` shows it.
#[derive(Serialize)]
struct Record<'a> {
    channel: &'a str,
    #[serde(flatten)]
    state: &'a ListenerState,
}

fn watch(channel: &Channel, options: &Options, first: ListenerState, stats: &Stats, interval: Duration) -> Result<()> {
    let ending = Ending::watch()?;
    let name = channel.to_string();
    let mut before = first;
    let mut lines = 0;
    if stats.json {
        lines += 1;
        if output::line(to_json(&Record { channel: &name, state: &before }))? == Reader::Gone {
            return Ok(());
        }
    }
    while stats.count != Some(lines) && !ending.comes_within(interval) {
        let state = blocking::inspect(channel, options)?;
        let line = if stats.json {
            to_json(&Record { channel: &name, state: &state })
        } else {
            let headings =
                if lines % NAMED_AGAIN == 0 { row(&COLUMNS.map(str::to_owned)) + "\n" } else { String::new() };
            headings + &row(&cells(&before, &state))
        };
        lines += 1;
        if output::line(line)? == Reader::Gone {
            break;
        }
        before = state;
    }
    Ok(())
}

/// What is so now, and what has become more since `before`, for each second.
fn cells(before: &ListenerState, now: &ListenerState) -> [String; 9] {
    let (then, counters) = (&before.counters, &now.counters);
    // Another listener counts from 0 on.
    let is_the_same = now.uptime_ms >= before.uptime_ms && now.pid == before.pid;
    let milliseconds = if is_the_same { now.uptime_ms - before.uptime_ms } else { now.uptime_ms };
    let rate = |count: fn(&Counters) -> u64| {
        let more = if is_the_same { count(counters).saturating_sub(count(then)) } else { count(counters) };
        format!("{:.0}", more as f64 * 1000.0 / milliseconds.max(1) as f64)
    };
    [
        counters.open.to_string(),
        counters.in_flight.to_string(),
        counters.abandoned.to_string(),
        counters.streams.to_string(),
        counters.subscribers.to_string(),
        rate(|counters| counters.messages),
        rate(|counters| counters.failed),
        rate(|counters| counters.published),
        rate(|counters| counters.dropped),
    ]
}

fn row(cells: &[String; 9]) -> String {
    let padded: Vec<String> = cells.iter().zip(COLUMNS).map(|(cell, name)| format!("{cell:>0$}", name.len())).collect();
    padded.join("  ")
}

fn text(channel: &str, state: &ListenerState) -> String {
    let ListenerState { version, pid, mode, uptime_ms, is_closing, publishes, tap, .. } = state;
    let ListenerState { shared_memory, counters, limits, .. } = state;
    let uptime = humantime::format_duration(Duration::from_secs(uptime_ms / 1000));
    let besides =
        [(*publishes && mode != "publish", ", publishes"), (*tap, ", may be tapped"), (*is_closing, ", is closing")];
    let besides: String = besides.iter().filter(|(is_so, _)| *is_so).map(|(_, text)| *text).collect();
    let mut lines = vec![
        ("channel", one_line(channel)),
        (
            "listener",
            format!("{}{besides}; pid {pid}, version {}, listening for {uptime}", one_line(mode), one_line(version)),
        ),
    ];
    let Counters { connections, open, messages, failed, malformed, refused, incomplete, .. } = counters;
    let Counters { in_flight, abandoned, subscribers, published, dropped, too_slow, streams, .. } = counters;
    lines.push((
        "connections",
        format!("{open} open, of at most {}; {connections} since it listens", limits.max_connections),
    ));
    if mode != "publish" {
        let threads =
            if limits.threads > 0 { format!(", on at most {} threads", limits.threads) } else { String::new() };
        lines.push(("messages", format!("{messages} handled, {failed} failed")));
        let most = limits.max_in_flight;
        lines.push((
            "in flight",
            format!("{in_flight}, of at most {most}{threads}; {abandoned} that nobody waits for; {streams} streams"),
        ));
    }
    if *publishes {
        lines.push((
            "publication",
            format!("{subscribers} subscribers; {published} events, {dropped} dropped, {too_slow} cut off"),
        ));
    }
    lines.push(("turned away", format!("{malformed} malformed, {refused} refused, {incomplete} incomplete")));
    lines.push(("limits", format!("messages of {} bytes, {} bytes that wait", limits.max_message, limits.max_waiting)));
    if limits.shared_memory > 0 {
        let most = limits.shared_memory;
        lines.push(("memory", format!("{shared_memory} bytes shared with clients, of at most {most}")));
    }
    lines.into_iter().map(|(name, text)| format!("{name:<13}{text}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(uptime_ms: u64, messages: u64) -> ListenerState {
        let mut state = ListenerState::default();
        (state.uptime_ms, state.counters.messages) = (uptime_ms, messages);
        state
    }

    #[test]
    fn a_rate_is_what_has_become_more_in_a_second() {
        assert_eq!(cells(&state(1000, 5), &state(3000, 25))[5], "10");
        assert_eq!(cells(&state(1000, 5), &state(1000, 5))[5], "0");
        assert_eq!(cells(&state(9000, 5000), &state(500, 10))[5], "20", "another listener counts from 0");
    }

    #[test]
    fn cells_stand_under_their_headings() {
        let headings = row(&COLUMNS.map(str::to_owned));
        assert_eq!(row(&cells(&state(0, 0), &state(1000, 7))).len(), headings.len());
    }

    #[test]
    fn memory_is_told_of_where_a_listener_may_share_some() {
        let mut state = state(0, 0);
        assert!(!text("x", &state).contains("memory"));
        state.limits.shared_memory = 4096;
        state.shared_memory = 64;
        assert!(text("x", &state).ends_with("memory       64 bytes shared with clients, of at most 4096\n"));
    }

    #[test]
    fn a_name_from_elsewhere_cannot_move_the_cursor() {
        let mut state = state(0, 0);
        state.version = "1\u{1b}[2J".to_owned();
        assert!(text("a\nb", &state).starts_with("channel      a\\nb\n"));
        assert!(!text("x", &state).contains('\u{1b}'));
    }
}
