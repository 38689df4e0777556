//! A JSON value with bytes beside it.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PyType};
use simple_ipc::ErrorKind;

use crate::body::type_name;
use crate::error::of_kind;

/// A JSON value with bytes beside it, in one body: an array with its shape, a picture with its name.
///
/// `value` is what becomes JSON. `data` is bytes, or anything whose memory Python shows as bytes and that lies in one
/// piece: a `bytearray`, a `memoryview`, an `array.array`, a numpy array; `None` is no bytes. What arrives has `bytes`. It is sent
/// where any other value is; inside lists and dictionaries it is refused, as bytes are.
///
/// Raises `InvalidArgumentError` where `data` shows no bytes. Listeners of version 0.1.0 and the Deno wire take none:
/// `UnsupportedVersionError`, before anything is sent.
#[pyclass(frozen, module = "simple_ipc")]
pub(crate) struct Attached {
    /// The JSON value.
    #[pyo3(get)]
    value: Py<PyAny>,
    /// The bytes: what was given, or `bytes` where it arrived.
    #[pyo3(get)]
    data: Py<PyAny>,
}

impl Attached {
    pub(crate) fn arrived(value: Bound<'_, PyAny>, data: &[u8]) -> Attached {
        Attached { data: PyBytes::new(value.py(), data).into_any().unbind(), value: value.unbind() }
    }

    pub(crate) fn value<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.value.bind(py)
    }

    /// The bytes in memory that stays.
    pub(crate) fn bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let data = self.data.bind(py);
        match data.cast::<PyBytes>() {
            Ok(bytes) => Ok(bytes.clone()),
            Err(_) => copied(&shown(data)?),
        }
    }
}

/// What an object shows of its memory.
fn shown<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyMemoryView>> {
    PyMemoryView::from(data).map_err(|_| {
        let text = format!("cannot attach {}: it shows no bytes; attach bytes, or what has a buffer", type_name(data));
        of_kind(data.py(), ErrorKind::InvalidArgument, text)
    })
}

fn copied<'py>(view: &Bound<'py, PyMemoryView>) -> PyResult<Bound<'py, PyBytes>> {
    if !view.getattr("c_contiguous")?.extract::<bool>()? {
        let text = "cannot attach memory that does not lie in one piece; attach a copy of it, such as bytes(view)";
        return Err(of_kind(view.py(), ErrorKind::InvalidArgument, text));
    }
    Ok(view.call_method0("tobytes")?.cast_into::<PyBytes>()?)
}

#[pymethods]
impl Attached {
    #[new]
    #[pyo3(signature = (value, data = None))]
    fn new(value: Py<PyAny>, data: Option<Bound<'_, PyAny>>, py: Python<'_>) -> PyResult<Attached> {
        let data = match data {
            Some(data) => {
                if !data.is_instance_of::<PyBytes>() {
                    shown(&data)?;
                }
                data.unbind()
            }
            None => PyBytes::new(py, &[]).into_any().unbind(),
        };
        Ok(Attached { value, data })
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("value", "data")
    }

    #[classmethod]
    fn __class_getitem__<'py>(class: &Bound<'py, PyType>, _of: &Bound<'py, PyAny>) -> Bound<'py, PyType> {
        class.clone()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = other.py();
        let Ok(other) = other.cast::<Attached>() else { return Ok(py.NotImplemented()) };
        let other = other.get();
        let is_equal = self.value(py).eq(other.value(py))? && self.bytes(py)?.as_bytes() == other.bytes(py)?.as_bytes();
        Ok(is_equal.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let length: usize = shown(self.data.bind(py))?.getattr("nbytes")?.extract()?;
        Ok(format!("Attached({}, {length} bytes)", self.value(py).repr()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.value)?;
        visit.call(&self.data)
    }
}
