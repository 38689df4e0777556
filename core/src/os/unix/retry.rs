//! Calls that a signal interrupted are made again, but not for ever.

use rustix::io::Errno;

/// Far more signals than can meet one call that does not wait.
const MOST: usize = 100;

/// Makes a call again while it is interrupted; at last the interruption is its error.
pub(super) fn on_interrupt<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 1..MOST {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
    call()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_call_is_made_again_but_not_for_ever() {
        let mut left = 3;
        let call = || {
            left -= 1;
            if left > 0 { Err(Errno::INTR) } else { Ok(()) }
        };
        assert_eq!(on_interrupt(call), Ok(()));
        let mut calls = 0;
        let call = || {
            calls += 1;
            Err::<(), _>(Errno::INTR)
        };
        assert_eq!(on_interrupt(call), Err(Errno::INTR));
        assert_eq!(calls, MOST);
        assert_eq!(on_interrupt(|| Err::<(), _>(Errno::MFILE)), Err(Errno::MFILE));
    }
}
