//! Where the bytes of a body are.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

/// Memory that somebody else made, that nobody changes, and that several messages and send queues may hold. It is freed
/// when the last of them is dropped, in whichever thread that is.
pub(crate) type Shared = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// The bytes of a body. As large as a `Vec<u8>`.
#[derive(Clone)]
pub(crate) enum Data {
    /// Memory of this body alone: of what arrived, and of what was made from a value.
    Owned(Vec<u8>),
    /// Memory that it may share with others.
    Shared(Shared),
}

impl Data {
    /// The bytes as a vector; copies them only from shared memory.
    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self {
            Data::Owned(data) => data,
            Data::Shared(data) => (*data).as_ref().to_vec(),
        }
    }

    /// The bytes in memory that others may hold, too.
    pub(crate) fn into_shared(self) -> Shared {
        match self {
            Data::Owned(data) => Arc::new(data),
            Data::Shared(data) => data,
        }
    }
}

impl Deref for Data {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Data::Owned(data) => data,
            Data::Shared(data) => (**data).as_ref(),
        }
    }
}

/// Nobody changes the memory, so nobody sees it half changed after a panic.
impl UnwindSafe for Data {}
impl RefUnwindSafe for Data {}

impl From<Vec<u8>> for Data {
    fn from(data: Vec<u8>) -> Data {
        Data::Owned(data)
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Data) -> bool {
        **self == **other
    }
}

impl Eq for Data {}

impl Hash for Data {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
