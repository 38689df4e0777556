//! Which of the three dialects a connection speaks, told from its first byte.

/// A dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// A native session: any number of messages.
    Native,
    /// The Deno wire: one message.
    Deno,
    /// Plain text, as `nc` sends it.
    Text,
}

impl Dialect {
    /// The dialect of a connection that begins with this byte, if it is one that is spoken here.
    pub(crate) fn of(first: u8, plain_text: bool) -> Option<Dialect> {
        match first {
            0xF5 => Some(Dialect::Native),
            0x00 | 0x01 => Some(Dialect::Deno),
            // The bytes that can begin a character in UTF-8.
            0x02..=0x7F | 0xC2..=0xF4 if plain_text => Some(Dialect::Text),
            _ => None,
        }
    }
}
