//! Who is at the other end of a connection, and who may be.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;

use crate::lock::lock;

/// Whose process it is: a user of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner(Id);

/// How the operating system names a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Id {
    Uid(u32),
    /// A security identifier as Windows writes it, kept for as long as the process lives.
    Sid(&'static str),
}

impl Owner {
    /// The user of this number.
    pub const fn from_uid(uid: u32) -> Owner {
        Owner(Id::Uid(uid))
    }

    /// The user's number; `None` where the operating system names users otherwise.
    pub const fn uid(self) -> Option<u32> {
        match self.0 {
            Id::Uid(uid) => Some(uid),
            Id::Sid(_) => None,
        }
    }

    /// The user of this security identifier, as Windows writes it: `S-1-5-21-…-1001`. Each text that is given is kept once, for
    /// as long as the process lives.
    pub fn from_sid(sid: &str) -> Owner {
        static KNOWN: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut known = lock(&KNOWN);
        if let Some(kept) = known.get(sid) {
            return Owner(Id::Sid(kept));
        }
        let kept: &'static str = String::from(sid).leak();
        known.insert(kept);
        Owner(Id::Sid(kept))
    }

    /// The user's security identifier; `None` where the operating system names users by numbers.
    pub const fn sid(self) -> Option<&'static str> {
        match self.0 {
            Id::Uid(_) => None,
            Id::Sid(sid) => Some(sid),
        }
    }

    /// Whether it is the system's administrator, whom nothing is kept from: user 0; on Windows the system itself, and the group of
    /// its administrators.
    pub(crate) fn is_root(self) -> bool {
        matches!(self.0, Id::Uid(0) | Id::Sid("S-1-5-18" | "S-1-5-32-544"))
    }
}

/// `user 1000`, as errors have it.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Id::Uid(uid) => write!(f, "user {uid}"),
            Id::Sid(sid) => write!(f, "user {sid}"),
        }
    }
}

/// Who may be at the other end of a connection. Root always may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peers {
    /// The user whom this process acts as (on Unix its effective user id), and root.
    #[default]
    SameOwner,
    /// These users besides root.
    Owners(Vec<Owner>),
    /// Every user of this machine.
    Anyone,
}

impl Peers {
    /// The users of these numbers besides root.
    pub fn uids(uids: impl IntoIterator<Item = u32>) -> Peers {
        Peers::Owners(uids.into_iter().map(Owner::from_uid).collect())
    }
}

/// Who is at the other end of a connection, as far as the operating system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    owner: Ownership,
    gid: Option<u32>,
    pid: Option<i32>,
}

/// What is known of a peer's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    Known(Owner),
    /// The kernel knows him, but not by an id that means him: he is one of those whom this process's user
    /// namespace does not map.
    Anybody,
    /// The kernel does not tell, which is nothing unusual: the peer is on TCP.
    Untold,
    /// The kernel does not tell, on a connection whose peer it should know.
    Missing,
}

impl Peer {
    /// A peer of whom only so much of the owner is known.
    pub(crate) fn new(owner: Ownership) -> Peer {
        Peer { owner, gid: None, pid: None }
    }

    /// The same, of whom the group and the process are known besides, as far as there are such.
    pub(crate) fn with_ids(self, gid: Option<u32>, pid: Option<i32>) -> Peer {
        Peer { gid, pid, ..self }
    }

    /// The user whose process it is; `None` where the system cannot tell: for some TCP connections, and for a user
    /// whom this process's user namespace does not map.
    pub fn owner(&self) -> Option<Owner> {
        match self.owner {
            Ownership::Known(owner) => Some(owner),
            Ownership::Anybody | Ownership::Untold | Ownership::Missing => None,
        }
    }

    /// The user id; `None` where there is no [`owner`](Peer::owner), or none that has a number.
    pub fn uid(&self) -> Option<u32> {
        self.owner()?.uid()
    }

    /// The group id; known on Unix sockets.
    pub fn gid(&self) -> Option<u32> {
        self.gid
    }

    /// The process that connected or listens; known on Unix sockets, unless it belongs to a
    /// container that this process cannot see into. It may have passed the socket on since.
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// Whether the peer may be talked to, by a process that acts as `own`. Root always may. An owner whom the
    /// system cannot tell may on TCP, whose port every user of the machine can reach anyway, and never on a Unix
    /// socket, unless everybody may. Nor may one whose id could be anybody's, on either.
    pub(crate) fn allowed(&self, peers: &Peers, own: Owner) -> bool {
        match (self.owner, peers) {
            (Ownership::Untold, _) | (_, Peers::Anyone) => true,
            (Ownership::Known(owner), _) if owner.is_root() => true,
            (Ownership::Known(owner), Peers::SameOwner) => owner == own,
            (Ownership::Known(owner), Peers::Owners(owners)) => owners.contains(&owner),
            (Ownership::Anybody | Ownership::Missing, Peers::SameOwner | Peers::Owners(_)) => false,
        }
    }

    /// Who the owner is, as an error says it, and what to do about it; `anybody` names one whose id may be anybody's.
    pub(crate) fn named(&self, anybody: impl FnOnce() -> String) -> (String, &'static str) {
        match self.owner {
            Ownership::Known(owner) => (owner.to_string(), "allow that user or choose another channel"),
            Ownership::Anybody => (
                anybody(),
                "run both sides in one user namespace, as users that it maps, or allow anyone where the channel's directory keeps strangers out",
            ),
            Ownership::Untold | Ownership::Missing => ("an unknown user".to_owned(), "choose another channel"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_by_his_number_or_by_his_security_identifier() {
        let owner = Owner::from_sid("S-1-5-21-1-2-3-1001");
        assert_eq!(owner, Owner::from_sid(&String::from("S-1-5-21-1-2-3-1001")));
        assert_ne!(owner, Owner::from_sid("S-1-5-21-1-2-3-1002"));
        assert_eq!((owner.sid(), owner.uid()), (Some("S-1-5-21-1-2-3-1001"), None));
        assert_eq!(owner.to_string(), "user S-1-5-21-1-2-3-1001");
        assert_eq!(Owner::from_uid(7).sid(), None);
        let system = Peer::new(Ownership::Known(Owner::from_sid("S-1-5-18")));
        assert!(system.allowed(&Peers::SameOwner, owner));
        assert!(!Peer::new(Ownership::Known(owner)).allowed(&Peers::SameOwner, Owner::from_sid("S-1-5-18")));
    }

    #[test]
    fn who_may_talk_is_decided_by_owner_and_root_always_may() {
        let own = Owner::from_uid(1000);
        let known = |uid| Peer::new(Ownership::Known(Owner::from_uid(uid)));
        for peers in [Peers::SameOwner, Peers::uids([]), Peers::Anyone] {
            assert!(known(0).allowed(&peers, own));
        }
        assert!(known(1000).allowed(&Peers::SameOwner, own));
        assert!(!known(1001).allowed(&Peers::SameOwner, own));
        assert!(known(1001).allowed(&Peers::uids([7, 1001]), own));
        assert!(!known(1001).allowed(&Peers::uids([1002]), own));
        assert!(known(1001).allowed(&Peers::Anyone, own));
        let missing = Peer::new(Ownership::Missing);
        assert!(!missing.allowed(&Peers::SameOwner, own) && !missing.allowed(&Peers::uids([1001]), own));
        let untold = Peer::new(Ownership::Untold);
        assert!(untold.allowed(&Peers::SameOwner, own), "on TCP who cannot be told may talk");
        // Not even where the id that he shows is allowed: it is that of every such user.
        let anybody = Peer::new(Ownership::Anybody);
        assert!(!anybody.allowed(&Peers::SameOwner, own) && !anybody.allowed(&Peers::uids([65534]), own));
        assert!(anybody.allowed(&Peers::Anyone, own));
        assert_eq!((anybody.owner(), anybody.uid()), (None, None));
    }
}
