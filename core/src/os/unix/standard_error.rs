//! Standard error without the standard library's lock, which a forked child may find taken for ever.

/// Writes a line. Where nobody takes it, it is lost.
pub(crate) fn write_to_standard_error(line: &str) {
    let _nobody_reads_it = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
}
