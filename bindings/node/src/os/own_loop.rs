//! A descriptor that the environment's own event loop watches, where that is libuv's and can be had: in Node.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr::null_mut;
use std::sync::Weak;

use napi::bindgen_prelude::{Function, ToNapiValue};
use napi::{Env, JsValue, check_status, sys};

use crate::convert::Batch;
use crate::deliver::Delivered;

/// `UV_READABLE` of libuv's `uv.h`.
const READABLE: c_int = 1;
/// `UV_POLL` of libuv's `uv_handle_type`.
const POLL: c_int = 8;

/// A `uv_poll_t`, of which only libuv knows the size. Its first member, as every handle's, is `data`, which is its user's.
type Handle = *mut *mut Watched;
type PollCallback = unsafe extern "C" fn(Handle, c_int, c_int);
type CloseCallback = unsafe extern "C" fn(Handle);

type HandleSize = unsafe extern "C" fn(c_int) -> usize;
type PollInit = unsafe extern "C" fn(*mut c_void, Handle, c_int) -> c_int;
type PollStart = unsafe extern "C" fn(Handle, c_int, PollCallback) -> c_int;
type Unref = unsafe extern "C" fn(Handle);
type Close = unsafe extern "C" fn(Handle, CloseCallback);

/// What libuv is asked for, as the runtime exports it. The signatures are those of libuv 1, whose ABI is stable.
struct Libuv {
    handle_size: HandleSize,
    poll_init: PollInit,
    poll_start: PollStart,
    unref: Unref,
    close: Close,
}

impl Libuv {
    /// The functions that this process has; `None` where one is absent.
    fn find() -> Option<Libuv> {
        // SAFETY: each is a function of libuv, with the signature that libuv 1 gives it.
        unsafe {
            Some(Libuv {
                handle_size: std::mem::transmute::<*mut c_void, HandleSize>(symbol(c"uv_handle_size")?),
                poll_init: std::mem::transmute::<*mut c_void, PollInit>(symbol(c"uv_poll_init")?),
                poll_start: std::mem::transmute::<*mut c_void, PollStart>(symbol(c"uv_poll_start")?),
                unref: std::mem::transmute::<*mut c_void, Unref>(symbol(c"uv_unref")?),
                close: std::mem::transmute::<*mut c_void, Close>(symbol(c"uv_close")?),
            })
        }
    }
}

fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name ends with a NUL; the default handle looks at what the process has loaded.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr().cast::<c_char>()) };
    (!found.is_null()).then_some(found)
}

/// Where the events come from when the descriptor is readable. Called on JavaScript's thread.
pub(crate) trait Readable: Send + Sync {
    fn readable(&self) -> Option<Batch>;

    /// JavaScript has been called with what [`readable`](Readable::readable) gave, and has done what followed from that at once.
    fn called(&self) {}
}

/// One watched descriptor. Dropped on another way than by `close` it is watched until the environment ends.
pub(crate) struct Watch(*mut Watched);

// SAFETY: what it points to is used on JavaScript's thread alone, which `close` shows by an `Env`.
unsafe impl Send for Watch {}
// SAFETY: as above; a shared one does nothing.
unsafe impl Sync for Watch {}

impl Watch {
    /// Watches no more. The environment has not ended.
    pub(crate) fn close(self, _env: &Env) {
        // SAFETY: it is freed by `closed` alone, which comes after this, or after the environment's end.
        unsafe { begin_to_close(self.0) };
    }
}

/// libuv and the environment's loop; `None` where they cannot be had.
fn find(env: &Env) -> Option<(Libuv, *mut sys::uv_loop_s)> {
    let libuv = Libuv::find()?;
    let mut raw_loop = null_mut();
    // SAFETY: the environment is live.
    let status = unsafe { sys::napi_get_uv_event_loop(env.raw(), &raw mut raw_loop) };
    (status == sys::Status::napi_ok && !raw_loop.is_null()).then_some((libuv, raw_loop))
}

/// Whether the environment's loop can watch descriptors.
pub(crate) fn can_be_had(env: &Env) -> bool {
    find(env).is_some()
}

/// JavaScript's function for events, kept from when the add-on was opened until a loop is watched.
pub(crate) struct Receiver(sys::napi_ref);

// SAFETY: the reference is used on JavaScript's thread alone, which is shown by an `Env`.
unsafe impl Send for Receiver {}
// SAFETY: as above.
unsafe impl Sync for Receiver {}

impl Receiver {
    pub(crate) fn new(env: &Env, function: &Function<'_, Delivered, ()>) -> napi::Result<Receiver> {
        let mut reference = null_mut();
        // SAFETY: the handles are live. The environment frees the reference at its end.
        check_status!(unsafe { sys::napi_create_reference(env.raw(), function.raw(), 1, &raw mut reference) })?;
        Ok(Receiver(reference))
    }
}

/// What belongs to one watched descriptor. libuv's handle points here until it is closed.
struct Watched {
    env: sys::napi_env,
    function: sys::napi_ref,
    source: Weak<dyn Readable>,
    libuv: Libuv,
    /// A duplicate: what the owner does with its own has no part in libuv's table of descriptors.
    _descriptor: OwnedFd,
    /// The memory of libuv's handle.
    memory: Box<[u128]>,
    /// Set by `watch`, before the loop turns; taken by `closed`.
    cleanup: sys::napi_async_cleanup_hook_handle,
    /// libuv has been told to close the handle. Written and read on JavaScript's thread.
    is_closing: bool,
}

/// Has the environment's loop call `function` with what `source` has, whenever the descriptor is readable, until the
/// environment ends, or the watch is closed. It does not keep the environment alive. `None` where the loop cannot be had.
pub(crate) fn watch(
    env: &Env,
    descriptor: RawFd,
    receiver: &Receiver,
    source: Weak<dyn Readable>,
) -> napi::Result<Option<Watch>> {
    let Some((libuv, raw_loop)) = find(env) else { return Ok(None) };
    // SAFETY: the caller has it open during the call.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    let Ok(descriptor) = descriptor.try_clone_to_owned() else { return Ok(None) };
    // SAFETY: it only tells a number.
    let size = unsafe { (libuv.handle_size)(POLL) };
    let memory = vec![0u128; size.div_ceil(size_of::<u128>())].into_boxed_slice();
    let number = descriptor.as_raw_fd();
    let mut watched = Box::new(Watched {
        env: env.raw(),
        function: receiver.0,
        source,
        libuv,
        _descriptor: descriptor,
        memory,
        cleanup: null_mut(),
        is_closing: false,
    });
    let handle: Handle = watched.memory.as_mut_ptr().cast();
    // SAFETY: the loop is this thread's, and the memory is as large as libuv says.
    if unsafe { (watched.libuv.poll_init)(raw_loop.cast(), handle, number) } != 0 {
        return Ok(None);
    }
    let watched = Box::into_raw(watched);
    // SAFETY: the handle is initialised, and `watched` is freed by `closed` alone, after the last use of the handle.
    unsafe {
        let libuv = &(*watched).libuv;
        handle.write(watched);
        (libuv.unref)(handle);
        let hook = Some(end as unsafe extern "C" fn(_, _));
        let added = check_status!(sys::napi_add_async_cleanup_hook(
            env.raw(),
            hook,
            watched.cast(),
            &raw mut (*watched).cleanup
        ));
        if let Err(error) = added {
            (libuv.close)(handle, closed);
            return Err(error);
        }
        if (libuv.poll_start)(handle, READABLE, readable) != 0 {
            begin_to_close(watched);
            return Ok(None);
        }
    }
    Ok(Some(Watch(watched)))
}

/// Has libuv close a handle, unless it is told already.
///
/// # Safety
///
/// On JavaScript's thread, before `closed` has been called for it.
unsafe fn begin_to_close(watched: *mut Watched) {
    // SAFETY: as the caller promises, and `watched` is freed by `closed` alone.
    unsafe {
        if !std::mem::replace(&mut (*watched).is_closing, true) {
            let handle: Handle = (*watched).memory.as_mut_ptr().cast();
            ((*watched).libuv.close)(handle, closed);
        }
    }
}

/// The descriptor is readable.
unsafe extern "C" fn readable(handle: Handle, _status: c_int, _events: c_int) {
    // SAFETY: `watch` has put it there, and it lives until `closed`.
    let watched: &Watched = unsafe { &**handle };
    let Some(source) = watched.source.upgrade() else { return };
    let Some(batch) = source.readable() else { return };
    let (env, function) = (watched.env, watched.function);
    // SAFETY: this is JavaScript's thread, between two turns; the environment has not ended, or the handle were closed.
    unsafe {
        let mut scope = null_mut();
        if sys::napi_open_handle_scope(env, &raw mut scope) == sys::Status::napi_ok {
            // What JavaScript does may close the handle, but not free it before the loop has turned.
            call(env, function, batch);
            sys::napi_close_handle_scope(env, scope);
        }
    }
    source.called();
}

/// Calls JavaScript as the runtime does itself: promises and ticks have their turn afterwards.
///
/// # Safety
///
/// On JavaScript's thread, in a handle scope of this live environment.
unsafe fn call(env: sys::napi_env, function: sys::napi_ref, batch: Batch) {
    // SAFETY: as the caller promises; the reference lives as long as the environment.
    unsafe {
        let (mut this, mut value, mut returned) = (null_mut(), null_mut(), null_mut());
        sys::napi_get_global(env, &raw mut this);
        sys::napi_get_reference_value(env, function, &raw mut value);
        let Ok(events) = ToNapiValue::to_napi_value(env, batch) else { return };
        let status = sys::napi_make_callback(env, null_mut(), this, value, 1, &raw const events, &raw mut returned);
        if status == sys::Status::napi_pending_exception {
            let mut exception = null_mut();
            sys::napi_get_and_clear_last_exception(env, &raw mut exception);
            sys::napi_fatal_exception(env, exception);
        }
    }
}

/// The environment ends: the handle closes, and the environment waits for that.
unsafe extern "C" fn end(_hook: sys::napi_async_cleanup_hook_handle, watched: *mut c_void) {
    // SAFETY: `watch` has passed it, and `closed` has not been called.
    unsafe {
        begin_to_close(watched.cast::<Watched>());
    }
}

/// libuv does not use the handle any more.
unsafe extern "C" fn closed(handle: Handle) {
    // SAFETY: as in `readable`; it was made of a box, and this is called once.
    let watched: Box<Watched> = unsafe { Box::from_raw(*handle) };
    if !watched.cleanup.is_null() {
        // SAFETY: the hook was added, and is removed once.
        unsafe { sys::napi_remove_async_cleanup_hook(watched.cleanup) };
    }
}
