//! The first 16 bytes of a native session, in each direction.

use super::Violation;

/// The length of a hello in bytes.
pub(crate) const HELLO_LEN: usize = 16;
/// How a hello begins. The first byte never occurs in UTF-8, nor as a flag of the Deno wire.
pub(crate) const MAGIC: [u8; 4] = [0xF5, b'S', b'I', b'P'];
/// The version of the protocol that this library speaks.
pub(crate) const VERSION: u8 = 1;
/// The feature bit of those who know subscribe, event, gap and credit.
pub(crate) const PUBLISH_SUBSCRIBE: u32 = 1;
/// The feature bit of those who know streams: flag `20` of requests, data, end and credit both ways.
pub(crate) const STREAMS: u32 = 2;
/// The feature bit of those who know ask: a listener tells of itself.
pub(crate) const INSPECTION: u32 = 4;
/// The feature bit of those who know attached bodies: flag `40`.
pub(crate) const ATTACHMENTS: u32 = 8;
/// The feature bit of those who know share: memory that both processes have carries the session.
pub(crate) const SHARED_MEMORY: u32 = 16;
/// What this library knows, and says in each hello, whatever the other side knows.
const FEATURES: u32 = PUBLISH_SUBSCRIBE | STREAMS | INSPECTION | ATTACHMENTS | SHARED_MEMORY;

/// What the sender of a hello is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A client with at most one request in flight.
    Exclusive,
    /// A client with any number in flight.
    Multiplexed,
    /// A listener that answers requests.
    RequestListener,
    /// A listener that takes broadcasts, or publishes only.
    BroadcastListener,
}

impl Role {
    const ALL: [(Role, u8); 4] =
        [(Role::Exclusive, 1), (Role::Multiplexed, 2), (Role::RequestListener, 0x11), (Role::BroadcastListener, 0x12)];

    fn byte(self) -> u8 {
        Role::ALL.iter().find(|(role, _)| *role == self).map_or(0, |(_, byte)| *byte)
    }

    fn from_byte(byte: u8) -> Option<Role> {
        Role::ALL.iter().find(|(_, known)| *known == byte).map(|(role, _)| *role)
    }

    fn is_client(self) -> bool {
        matches!(self, Role::Exclusive | Role::Multiplexed)
    }
}

/// A hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) role: Role,
    /// Bits that the receiver does not know are ignored.
    pub(crate) features: u32,
    /// The largest body that the sender takes, in bytes.
    pub(crate) max_message: u32,
}

impl Hello {
    pub(crate) fn new(role: Role, max_message: usize) -> Hello {
        Hello { role, features: FEATURES, max_message: u32::try_from(max_message).unwrap_or(u32::MAX) }
    }

    /// Whether its sender takes bodies that are JSON with bytes.
    pub(crate) fn knows_attachments(&self) -> bool {
        self.features & ATTACHMENTS != 0
    }

    pub(crate) fn encode(&self) -> [u8; HELLO_LEN] {
        let mut bytes = [0; HELLO_LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = VERSION;
        bytes[5] = self.role.byte();
        bytes[8..12].copy_from_slice(&self.features.to_le_bytes());
        bytes[12..].copy_from_slice(&self.max_message.to_le_bytes());
        bytes
    }

    /// The hello of a client, as a listener reads it.
    pub(crate) fn decode_from_client(bytes: &[u8; HELLO_LEN]) -> Result<Hello, Violation> {
        Hello::decode(bytes, true)
    }

    /// The hello of a listener, as a client reads it.
    pub(crate) fn decode_from_listener(bytes: &[u8; HELLO_LEN]) -> Result<Hello, Violation> {
        Hello::decode(bytes, false)
    }

    fn decode(bytes: &[u8; HELLO_LEN], from_client: bool) -> Result<Hello, Violation> {
        if bytes[..4] != MAGIC {
            return Err(Violation::Malformed("a session does not begin with the magic number"));
        }
        if bytes[4] != VERSION {
            return Err(Violation::Version(bytes[4]));
        }
        let role = Role::from_byte(bytes[5])
            .filter(|role| role.is_client() == from_client)
            .ok_or(Violation::Malformed("the role in a hello is not one of this direction"))?;
        if bytes[6..8] != [0, 0] {
            return Err(Violation::Malformed("the reserved field of a hello is not zero"));
        }
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let hello = Hello { role, features: word(8), max_message: word(12) };
        if hello.max_message == 0 {
            return Err(Violation::Malformed("the largest message in a hello is zero"));
        }
        Ok(hello)
    }
}
