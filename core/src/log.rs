//! `SIMPLE_IPC_LOG`: what the library tells of itself, on standard error, with the feature `log`.

/// Shows events on standard error if the environment asks for it, which is looked at once in a process. Called where
/// something begins that has events.
#[inline]
pub(crate) fn start_if_asked() {
    #[cfg(feature = "log")]
    standard_error::start_if_asked();
}

#[cfg(feature = "log")]
mod standard_error {
    use std::borrow::Cow;
    use std::fmt::{self, Write};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{SystemTime, UNIX_EPOCH};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber, level_filters::LevelFilter};

    use crate::error::one_line;
    use crate::os::write_to_standard_error;
    use crate::trace::TARGET;

    /// The environment variable that says how much is shown.
    const VARIABLE: &str = "SIMPLE_IPC_LOG";

    /// Whether the environment has been looked at. Written by the first thread that begins something; others need not
    /// wait for what it finds, so relaxed is enough.
    static LOOKED: AtomicBool = AtomicBool::new(false);

    #[inline]
    pub(super) fn start_if_asked() {
        if !LOOKED.load(Ordering::Relaxed) {
            look();
        }
    }

    #[cold]
    fn look() {
        let Some(value) = std::env::var_os(VARIABLE) else { return LOOKED.store(true, Ordering::Relaxed) };
        if LOOKED.swap(true, Ordering::Relaxed) {
            return;
        }
        let value = value.to_string_lossy();
        match level(&value) {
            Some(LevelFilter::OFF) => {}
            // In a Rust program that has a subscriber of its own, that one stays.
            Some(most) => drop(tracing::subscriber::set_global_default(StandardError { most })),
            None => write_to_standard_error(&format!(
                "simple-ipc: {VARIABLE} is \"{}\", which is no level; use error, warn, info, debug or off\n",
                one_line(Cow::Borrowed(&value))
            )),
        }
    }

    fn level(value: &str) -> Option<LevelFilter> {
        Some(match value.to_ascii_lowercase().as_str() {
            "" | "off" => LevelFilter::OFF,
            "error" => LevelFilter::ERROR,
            "warn" => LevelFilter::WARN,
            "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            _ => return None,
        })
    }

    /// Writes each event as one line. It keeps nothing and has no lock, so a forked child may go on with it.
    struct StandardError {
        most: LevelFilter,
    }

    impl Subscriber for StandardError {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.is_event() && metadata.target() == TARGET && *metadata.level() <= self.most
        }

        fn max_level_hint(&self) -> Option<LevelFilter> {
            Some(self.most)
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut line = Line { text: String::new(), fields: String::new() };
            event.record(&mut line);
            let level = event.metadata().level().as_str().to_ascii_lowercase();
            let (time, process) = (time_of_day(), std::process::id());
            let line = format!("{time} simple-ipc[{process}] {level}: {}{}", line.text, line.fields);
            write_to_standard_error(&(one_line(line.into()) + "\n"));
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    /// The parts of a line: what has happened, and with what.
    struct Line {
        text: String,
        fields: String,
    }

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            let _a_string_takes_all = match field.name() {
                "message" => write!(self.text, "{value:?}"),
                name => write!(self.fields, " {name}=\"{value:?}\""),
            };
        }
    }

    /// The time in UTC.
    fn time_of_day() -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs() % 86_400;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        format!("{hours:02}:{minutes:02}:{:02}.{:03}Z", seconds % 60, since.subsec_millis())
    }
}
