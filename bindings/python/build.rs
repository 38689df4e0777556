//! Makes `cfg(Py_GIL_DISABLED)` known, which is true in a build for free-threaded interpreters.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
}
