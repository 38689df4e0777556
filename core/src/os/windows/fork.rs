//! What a forked child must know. Nothing is forked here: every object belongs to the process that uses it.

use std::sync::OnceLock;

use crate::error::Result;

/// The generation of this process: the only one.
#[inline]
pub(crate) fn generation() -> u32 {
    1
}

/// Fails in a forked child of the process that was of `generation`, which there is none of.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere a forked child is refused")]
pub(crate) fn check(_born: u32, _what: &str) -> Result<()> {
    Ok(())
}

/// The process that a binding's object was made in: kept beside what a forked child must not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(());

impl Process {
    /// The process that calls.
    #[inline]
    pub fn current() -> Process {
        Process(())
    }

    /// The process that was of this generation.
    pub(crate) fn of(_born: u32) -> Process {
        Process(())
    }

    /// Whether it is the process that calls: always, since nothing is forked here.
    pub fn is_current(self) -> bool {
        true
    }

    /// Fails with [`ErrorKind::Forked`](crate::ErrorKind::Forked) in a forked child of it, which there is none of here.
    pub fn check(self, what: &str) -> Result<()> {
        check(1, what)
    }
}

/// A value that is made once in each process.
pub struct ForkLocal<T: 'static>(OnceLock<T>);

impl<T: Default + Send + Sync> ForkLocal<T> {
    /// No value yet: it is made when it is first asked for.
    #[expect(clippy::new_without_default, reason = "it stands in a static, which `Default` cannot make")]
    pub const fn new() -> ForkLocal<T> {
        ForkLocal(OnceLock::new())
    }

    /// This process's value. It is never freed.
    pub fn get(&'static self) -> &'static T {
        self.0.get_or_init(T::default)
    }
}
