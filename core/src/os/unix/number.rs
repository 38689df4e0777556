//! Numbers whose type differs from system to system.

/// The same number in another type; 0 where it does not fit.
pub(super) fn number<From, To: TryFrom<From> + Default>(number: From) -> To {
    To::try_from(number).unwrap_or_default()
}
