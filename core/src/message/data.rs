//! Where the bytes of a body are.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

/// The bytes of a body. As large as a `Vec<u8>`.
#[derive(Clone)]
pub(crate) enum Data {
    /// Memory of this body alone: of what arrived, and of what was made from a value.
    Owned(Vec<u8>),
    /// Memory that nobody changes, that several bodies and send queues may hold, and that is freed when the last of
    /// them is dropped. In a box, so that a body without it is no larger.
    Shared(Box<Bytes>),
}

impl Data {
    /// Makes these the bytes, in the memory that is here where it is of this body alone.
    #[inline(always)]
    pub(crate) fn refill(&mut self, data: &[u8]) {
        match self {
            Data::Owned(memory) => {
                memory.clear();
                memory.extend_from_slice(data);
            }
            Data::Shared(_) => self.replace(data),
        }
    }

    #[cold]
    #[inline(never)]
    fn replace(&mut self, data: &[u8]) {
        *self = Data::Owned(data.to_vec());
    }

    /// The bytes as a vector; copies them only from shared memory.
    #[inline]
    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self {
            Data::Owned(data) => data,
            Data::Shared(data) => copy(&data),
        }
    }

    /// The bytes in memory that others may hold, too.
    pub(crate) fn into_shared(self) -> Bytes {
        match self {
            Data::Owned(data) => data.into(),
            Data::Shared(data) => *data,
        }
    }
}

/// Apart, so that a body in memory of its own is taken out by hardly more than a branch.
#[cold]
#[inline(never)]
fn copy(data: &[u8]) -> Vec<u8> {
    data.to_vec()
}

impl Deref for Data {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        match self {
            Data::Owned(data) => data,
            Data::Shared(data) => data,
        }
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
