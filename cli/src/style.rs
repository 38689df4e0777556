//! Colours, for people at a terminal that has them, and who have not said that they want none.

use std::ffi::OsString;
use std::io::IsTerminal;

/// How text is shown on one of the standard streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    colours: bool,
}

impl Style {
    /// For this stream, with this environment.
    pub(crate) fn of(stream: &impl IsTerminal) -> Style {
        Style { colours: stream.is_terminal() && wants_colours(std::env::var_os("NO_COLOR"), std::env::var_os("TERM")) }
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn warning(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// `NO_COLOR` of any value but the empty one says no (<https://no-color.org>), and so does a terminal that has none.
fn wants_colours(no_color: Option<OsString>, term: Option<OsString>) -> bool {
    no_color.is_none_or(|no_color| no_color.is_empty()) && term.is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_and_dumb_terminals_get_none() {
        let wants =
            |no_color: Option<&str>, term: Option<&str>| wants_colours(no_color.map(Into::into), term.map(Into::into));
        assert!(wants(None, Some("xterm")) && wants(Some(""), Some("xterm")) && wants(None, None));
        assert!(!wants(Some("1"), Some("xterm")) && !wants(Some("0"), None) && !wants(None, Some("dumb")));
        assert_eq!(Style { colours: false }.bad("x"), "x");
        assert_eq!(Style { colours: true }.bad("x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
