//! Who listens, whether it answers, and how near its limits it is.

use std::time::Duration;

use simple_ipc::{Channel, ChannelInfo, ErrorKind, ListenerState, blocking};

use super::Finding;
use crate::arguments::Place;
use crate::os::{self, ProcessState};

const LET_OTHERS_IN: &str = "look as its user, or as root; to let others in, it listens with allowed users and a socket mode that lets them connect";

pub(super) fn look(place: &Place, timeout: Duration) -> Vec<Finding> {
    // That the directory cannot be read has been told.
    let Ok(channels) = simple_ipc::channels(place.dir.as_deref()) else { return Vec::new() };
    if channels.is_empty() {
        return vec![Finding::ok("channels", "nobody listens in this directory")];
    }
    channels.iter().flat_map(|info| one(place, info, timeout)).collect()
}

/// What there is to say of one live listener.
pub(super) fn one(place: &Place, info: &ChannelInfo, timeout: Duration) -> Vec<Finding> {
    let about = info.channel.as_str();
    // A channel with a path is found in its directory by the path.
    let Ok(channel) = about.parse::<Channel>() else {
        return vec![Finding::note(
            about,
            "its lock file does not say which channel it is",
            "look at who holds the lock file",
        )];
    };
    let who = who(info);
    match blocking::inspect(&channel, &place.options().timeout(timeout)) {
        Ok(state) => {
            let mut findings = vec![Finding::ok(about, format!("{who} answers"))];
            findings.extend(version(about, &state));
            findings.extend(limits(about, &state));
            findings
        }
        Err(error) => vec![unanswered(about, &who, info.pid, &error)],
    }
}

fn who(info: &ChannelInfo) -> String {
    let mode = info.mode.map_or("an unknown mode", simple_ipc::Mode::name);
    match info.pid {
        Some(pid) => match os::process_state(pid) {
            ProcessState::Running(name) | ProcessState::Stopped(name) => format!("pid {pid} ({name}, {mode})"),
            ProcessState::Unseen => format!("pid {pid} ({mode}), which is not seen from here,"),
            ProcessState::Untold => format!("pid {pid} ({mode})"),
        },
        None => format!("an unknown process ({mode})"),
    }
}

/// Why a listener does not tell of itself.
fn unanswered(about: &str, who: &str, pid: Option<i32>, error: &simple_ipc::Error) -> Finding {
    let state = pid.map(os::process_state);
    match (error.kind(), state) {
        (ErrorKind::UnsupportedVersion, _) => {
            let text = format!("{who} is of a version that does not tell of itself");
            Finding::note(about, text, "bring it up to date; simple-ipc ping shows whether it answers")
        }
        (ErrorKind::PeerNotAllowed, _) => Finding::note(
            about,
            format!("{who} is another user's: {}", error.message()),
            "look as its user, or as root; who trusts it says so with --allow-user",
        ),
        (ErrorKind::ConnectionLost, _) => Finding::note(
            about,
            format!("{who} lets this user not in, or is going: {}", error.message()),
            LET_OTHERS_IN,
        ),
        (ErrorKind::PermissionDenied, _) => {
            Finding::note(about, format!("{who} may not be reached by this user: {}", error.message()), LET_OTHERS_IN)
        }
        (_, Some(ProcessState::Stopped(_))) => {
            let pid = pid.unwrap_or_default();
            Finding::problem(
                about,
                format!("{who} is stopped, by a signal or a debugger"),
                format!("kill -CONT {pid}, or end it"),
            )
        }
        (ErrorKind::TimedOut, _) => Finding::problem(
            about,
            format!("{who} does not answer: its process is stuck, has no time, or has no room for another connection"),
            "look at what the process does; end it if it is of no use: the next listener takes the channel over",
        ),
        _ => Finding::problem(
            about,
            format!("{who} cannot be reached: {}", error.message()),
            "see the error in docs/troubleshooting.md",
        ),
    }
}

fn version(about: &str, state: &ListenerState) -> Option<Finding> {
    let own = env!("CARGO_PKG_VERSION");
    if state.version == own {
        return None;
    }
    let text = format!("its library is {}, this command {own}", state.version);
    Some(Finding::note(about, text, "bring the older one up to date; what both know works meanwhile"))
}

/// Which of its limits a listener is near to, or has met.
fn limits(about: &str, state: &ListenerState) -> Vec<Finding> {
    let (counters, limits) = (&state.counters, &state.limits);
    let near = |now: u64, most: u64| most > 0 && now >= most - most / 10;
    let mut findings = Vec::new();
    if near(counters.open, limits.max_connections) {
        let text = format!(
            "{} of at most {} connections are open: then the one that is idle longest is closed, and where none is, new ones wait",
            counters.open, limits.max_connections
        );
        findings.push(Finding::problem(
            about,
            text,
            "raise its max_connections (and the limit on descriptors), or have clients close what they do not use",
        ));
    }
    if near(counters.in_flight, limits.max_in_flight) {
        let text = format!(
            "{} of at most {} messages are in flight: then it reads no more",
            counters.in_flight, limits.max_in_flight
        );
        findings.push(Finding::problem(
            about,
            text,
            "look at what its handlers wait for; raise its max_in_flight or threads where they only need more",
        ));
    } else if limits.threads > 0 && counters.in_flight > limits.threads {
        let text = format!(
            "{} messages are in flight, and {} threads handle them: the others wait",
            counters.in_flight, limits.threads
        );
        findings.push(Finding::note(about, text, "look at what its handlers wait for, or raise its threads"));
    }
    if counters.abandoned > 0 {
        let text = format!("{} calls have no caller any more, and their handlers go on", counters.abandoned);
        findings.push(Finding::note(
            about,
            text,
            "have handlers ask whether their caller still waits, or give callers more time",
        ));
    }
    if counters.refused > 0 {
        let text = format!("{} connections were refused because of their user", counters.refused);
        findings.push(Finding::note(about, text, "where they are meant to be let in: its allowed users"));
    }
    if state.is_closing {
        findings.push(Finding::note(
            about,
            "it is closing: it answers what it has, and takes nothing new",
            "wait for its grace period to end",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn each_limit_that_is_near_is_told_with_what_to_do() {
        let mut state = ListenerState::default();
        assert_eq!(limits("x", &state), [], "a listener that tells no limits has met none");
        state.limits.max_connections = 10;
        state.limits.max_in_flight = 100;
        state.limits.threads = 4;
        (state.counters.open, state.counters.in_flight) = (8, 4);
        assert_eq!(limits("x", &state), []);
        (state.counters.open, state.counters.in_flight) = (9, 5);
        let found = limits("x", &state);
        assert_eq!(found.iter().map(|one| one.level).collect::<Vec<_>>(), [Level::Problem, Level::Note]);
        (state.counters.in_flight, state.counters.abandoned, state.counters.refused, state.is_closing) =
            (90, 1, 1, true);
        let found = limits("x", &state);
        assert_eq!(found.len(), 5);
        assert!(found.iter().all(|one| one.remedy.is_some()));
    }

    #[test]
    fn another_version_is_told() {
        let mut state = ListenerState::default();
        state.version = "0.0.9".to_owned();
        assert!(version("x", &state).unwrap().finding.contains("0.0.9"));
        state.version = env!("CARGO_PKG_VERSION").to_owned();
        assert_eq!(version("x", &state), None);
    }
}
