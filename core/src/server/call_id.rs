//! Which request of a session is meant.

/// The id that the client chose for a request, and how many the session had taken: a client may use the id of a request
/// that it has cancelled again while the handler of that one still runs, and that handler's answer is nobody's then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallId(u64);

impl CallId {
    /// No request.
    pub(crate) const NONE: CallId = CallId(0);

    /// The `nth` request of its session, which has this id, not 0.
    pub(crate) fn new(id: u32, nth: u32) -> CallId {
        CallId(u64::from(nth) << 32 | u64::from(id))
    }

    /// The id on the wire.
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is the id")]
    pub(crate) fn id(self) -> u32 {
        self.0 as u32
    }

    /// How many requests its session had taken, with this one.
    pub(crate) fn nth(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// As an atomic holds it; 0 for [`NONE`](CallId::NONE).
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// What [`bits`](CallId::bits) gave.
    pub(crate) fn from_bits(bits: u64) -> CallId {
        CallId(bits)
    }
}
