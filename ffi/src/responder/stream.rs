//! A request that opened a stream: the caller's items, and an answer that is a sequence.

use std::sync::Arc;

use simple_ipc::{Error, ErrorKind};

use super::{Asked, sipc_responder};
use crate::argument::Out;
use crate::boundary;
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::status::sipc_status;
use crate::stream::handled::{Handled, Part};
use crate::stream::sipc_stream;
use crate::stream::source::Source;

/// Whether the caller has opened a stream: it takes a sequence for an answer, and may send items.
///
/// `responder`: NULL gives `false`. `false` also in a forked child, and for a broadcast.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_responder_is_stream(responder: *const sipc_responder) -> bool {
    boundary::infallible(false, || {
        // SAFETY: NULL or alive, by the header's contract.
        unsafe { sipc_responder::borrow_or_null(responder) }
            .is_some_and(|it| it.process.is_current() && it.responder.is_stream())
    })
}

/// The items that the caller sends, for `sipc_stream_next`: for a handler that answers with one message
/// (`sipc_respond`), or that reads before it begins to answer. Of a plain request, which has none, the end comes first.
///
/// `responder`: not NULL; stays to be used up. Another call gives the same items: each comes to one of those who ask.
/// `stream`: where the stream is stored, owned by the caller; not NULL. It may outlive the responder.
/// `error`: may be NULL.
///
/// Nothing is sent on it: `sipc_responder_stream` gives the stream for that, which delivers the same items.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_responder_items(
    responder: *const sipc_responder,
    stream: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let (responder, out) = (sipc_responder::borrow(responder)?, Out::new(stream, "stream")?);
            responder.process.check("responder")?;
            let handled = responder.asked().handled.get_or_init(|| Handled::new(responder.responder.items()));
            out.write(sipc_stream::new(Source::Caller(Part::items(Arc::clone(handled)))).into_handle());
            Ok(())
        })
    }
}

/// Answers a request with a sequence: `sipc_stream_send` sends its items, now or later and on any thread,
/// `sipc_stream_end` completes it, `sipc_stream_fail` and `sipc_stream_fail_with` end it with an error. A stream that is
/// freed or closed before tells the caller that the handler failed. `sipc_stream_next` takes what the caller sends.
///
/// `responder`: used up, whatever is returned. NULL gives `SIPC_INVALID_ARGUMENT`. A callback of
/// `sipc_responder_on_cancel` goes on to hold for the stream: once that is ended, failed, closed or freed, it does not
/// run.
/// `stream`: where the stream is stored, owned by the caller, who frees it; not NULL.
/// `error`: may be NULL.
///
/// `SIPC_WRONG_MODE` where the caller has sent a plain request, which it is told, too, or a broadcast. When the caller
/// leaves, calls of the stream return `SIPC_CANCELLED` or `SIPC_CONNECTION_LOST` at once, also those that wait in other
/// threads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_responder_stream(
    responder: *mut sipc_responder,
    stream: *mut *mut sipc_stream,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, and the responder is given up, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let Some(taken) = sipc_responder::reclaim_whole(responder)? else {
                let text = "a broadcast has no answer; a stream answers a request";
                return Err(Error::new(ErrorKind::WrongMode, text));
            };
            let sipc_responder { responder, asked, .. } = taken;
            let Asked { notice, handled, .. } = asked.into_inner().map(|asked| *asked).unwrap_or_default();
            let out = Out::new(stream, "stream")?;
            let reply = responder.stream()?;
            let handled = handled.into_inner().unwrap_or_else(|| Handled::new(reply.items()));
            handled.begin(reply, notice.into_inner());
            out.write(sipc_stream::new(Source::Caller(Part::answer(handled))).into_handle());
            Ok(())
        })
    }
}
