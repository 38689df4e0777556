//! The threadsafe function through which the library's threads wake JavaScript.
//!
//! By hand, since the one of `napi` gives the runtime no async resource: with one, tools that look for what keeps a
//! process alive are told whether something is open.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Weak;

use napi::bindgen_prelude::{FnArgs, Function, Object, ToNapiValue};
use napi::{Env, JsValue, check_status, sys};

use crate::convert::Batch;

/// What JavaScript is called with.
pub(crate) type Delivered = FnArgs<(Batch,)>;

/// Where the events come from that JavaScript is called with.
pub(crate) trait Source: Send + Sync {
    /// What JavaScript gets when it was called.
    fn turn(&self) -> Batch;

    /// The runtime has ended the function through which JavaScript is called: its [`Deliver`] is not to be used or
    /// dropped any more.
    fn ended(&self);
}

/// Calls JavaScript on its own thread. It does not keep the environment alive unless told to.
pub(crate) struct Deliver(sys::napi_threadsafe_function);

// SAFETY: Node-API lets every thread call and release a threadsafe function; the rest takes an `Env`, which stays on
// JavaScript's thread.
unsafe impl Send for Deliver {}

impl Deliver {
    /// `function` gets the events of `source`. `resource` is shown to `async_hooks`.
    pub(crate) fn new(
        env: &Env,
        function: &Function<'_, Delivered, ()>,
        resource: &Object<'_>,
        source: Weak<dyn Source>,
    ) -> napi::Result<Deliver> {
        let name = env.create_string("simple-ipc")?;
        // Boxed twice: C's pointer has no room for a trait object.
        let source = Box::into_raw(Box::new(source));
        let mut raw = null_mut();
        // SAFETY: the handles are live, and `source` is freed by `ended`, which is called once.
        check_status!(unsafe {
            sys::napi_create_threadsafe_function(
                env.raw(),
                function.raw(),
                resource.raw(),
                name.raw(),
                0,
                1,
                null_mut(),
                Some(ended),
                source.cast(),
                Some(call_javascript),
                &raw mut raw,
            )
        })?;
        let deliver = Deliver(raw);
        deliver.keep_alive(env, false)?;
        Ok(deliver)
    }

    /// Has JavaScript called soon; `false` once the runtime has ended the function, which then is not to be used again.
    pub(crate) fn call(&self) -> bool {
        // SAFETY: the function has not ended: its owner lets go of it when it does.
        let status = unsafe {
            sys::napi_call_threadsafe_function(self.0, null_mut(), sys::ThreadsafeFunctionCallMode::nonblocking)
        };
        status == sys::Status::napi_ok || status == sys::Status::napi_queue_full
    }

    /// Whether this function keeps the environment alive.
    pub(crate) fn keep_alive(&self, env: &Env, alive: bool) -> napi::Result<()> {
        // SAFETY: as in `call`, and `env` shows that this is JavaScript's thread.
        check_status!(unsafe {
            if alive {
                sys::napi_ref_threadsafe_function(env.raw(), self.0)
            } else {
                sys::napi_unref_threadsafe_function(env.raw(), self.0)
            }
        })
    }
}

impl Drop for Deliver {
    fn drop(&mut self) {
        // SAFETY: as in `call`; it is not used after this.
        unsafe { sys::napi_release_threadsafe_function(self.0, sys::ThreadsafeFunctionReleaseMode::release) };
    }
}

/// Calls JavaScript with what is ready.
unsafe extern "C" fn call_javascript(
    env: sys::napi_env,
    function: sys::napi_value,
    source: *mut c_void,
    _data: *mut c_void,
) {
    if env.is_null() || function.is_null() {
        return;
    }
    // SAFETY: `Deliver::new` has put it there, and `ended` has not been called.
    let source: &Weak<dyn Source> = unsafe { &*source.cast::<Weak<dyn Source>>() };
    let Some(source) = source.upgrade() else { return };
    // SAFETY: the runtime passes live handles of this thread's environment.
    unsafe {
        let (mut this, mut returned) = (null_mut(), null_mut());
        let Ok(events) = ToNapiValue::to_napi_value(env, source.turn()) else { return };
        sys::napi_get_undefined(env, &raw mut this);
        let status = sys::napi_call_function(env, this, function, 1, &raw const events, &raw mut returned);
        if status == sys::Status::napi_pending_exception {
            let mut exception = null_mut();
            sys::napi_get_and_clear_last_exception(env, &raw mut exception);
            sys::napi_fatal_exception(env, exception);
        }
    }
}

/// The runtime has ended the function: it was released, or its environment ends.
unsafe extern "C" fn ended(_env: sys::napi_env, _data: *mut c_void, source: *mut c_void) {
    // SAFETY: `Deliver::new` has made it of a box, and this is called once.
    let source: Box<Weak<dyn Source>> = unsafe { Box::from_raw(source.cast::<Weak<dyn Source>>()) };
    if let Some(source) = source.upgrade() {
        source.ended();
    }
}
