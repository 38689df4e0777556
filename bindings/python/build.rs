//! Link arguments of an extension module. Makes `cfg(Py_GIL_DISABLED)` known, which is true in a build for free-threaded interpreters.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    // Where a linker wants every name to be found, the interpreter's are left to be found when it loads this.
    pyo3_build_config::add_extension_module_link_args();
}
