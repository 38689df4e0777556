//! What a person at a terminal sees while waiting. Nobody else sees anything of it: it is on standard error, and only where that is
//! a terminal.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::input::READ;

/// How long a wait is before it is told of.
const SOON: Duration = Duration::from_millis(500);
/// How often what is shown moves.
const TICK: Duration = Duration::from_millis(100);

/// Whether a line of this is on the terminal: written by the thread that draws it, before and after; relaxed, since what comes
/// between costs no more than a line that looks odd.
static IS_DRAWN: AtomicBool = AtomicBool::new(false);

/// What goes before a line on standard error, so that it does not stand behind what is shown.
pub(crate) fn before_a_line() -> &'static str {
    if IS_DRAWN.load(Ordering::Relaxed) { "\r\u{1b}[2K" } else { "" }
}

/// Something that is shown until this is dropped, in a thread of its own.
pub(crate) struct Shown(Option<(Sender<()>, JoinHandle<()>)>);

impl Shown {
    /// Shows that something is waited for, if it takes long enough for a person to wonder.
    pub(crate) fn waiting(text: String, quiet: bool) -> Shown {
        Shown::start(quiet, SOON, None, "{spinner} {msg} {elapsed}", move |spinner| {
            spinner.set_message(text.clone());
            spinner.tick();
        })
    }

    /// Shows how much of a time is over.
    pub(crate) fn measuring(time: Duration, quiet: bool) -> Shown {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (began, whole) = (Instant::now(), milliseconds(time));
        Shown::start(quiet, Duration::ZERO, Some(whole), "measuring {wide_bar} {msg}", move |bar| {
            let elapsed = began.elapsed();
            bar.set_message(format!("{} s", time.saturating_sub(elapsed).as_secs_f64().ceil()));
            bar.set_position(milliseconds(elapsed).min(whole));
        })
    }

    /// Shows how much of a file has been read, where nothing else is shown at the terminal.
    pub(crate) fn reading(size: Option<u64>, quiet: bool) -> Shown {
        let Some(size) = size.filter(|_| !std::io::stdout().is_terminal()) else { return Shown(None) };
        Shown::start(quiet, SOON, Some(size), "{wide_bar} {bytes} of {total_bytes}, {eta} left", move |bar| {
            bar.set_position(READ.load(Ordering::Relaxed).min(size));
        })
    }

    /// Shows a bar of this length, or a spinner, when so much time is over; `update` is called at each tick.
    fn start(
        quiet: bool,
        after: Duration,
        len: Option<u64>,
        template: &'static str,
        update: impl Fn(&ProgressBar) + Send + 'static,
    ) -> Shown {
        if quiet || !std::io::stderr().is_terminal() {
            return Shown(None);
        }
        let (over, is_over) = mpsc::channel();
        let goes_on = move |time| is_over.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
        let show = move || {
            if !goes_on(after) {
                return;
            }
            let bar = ProgressBar::with_draw_target(len, ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::with_template(template).expect("the template is fixed"));
            IS_DRAWN.store(true, Ordering::Relaxed);
            while goes_on(TICK) {
                update(&bar);
            }
            bar.finish_and_clear();
            IS_DRAWN.store(false, Ordering::Relaxed);
        };
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(show);
        // Without a thread nothing is shown, and all else is as before.
        Shown(thread.ok().map(|thread| (over, thread)))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some((over, thread)) = self.0.take() {
            drop(over);
            // Before anything else is written, it has been cleared away.
            let _it_has_panicked = thread.join();
        }
    }
}
