//! What a worker may.

use std::io;
use std::str::FromStr;

use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use rustix::process::geteuid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
};

/// A user by its numbers, as `UID:GID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// The user.
    pub uid: u32,
    /// Its only group.
    pub gid: u32,
}

/// The text is not two numbers with a colon between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user and its group, as UID:GID")]
pub(crate) struct AccountError;

impl FromStr for Account {
    type Err = AccountError;

    fn from_str(text: &str) -> Result<Self, AccountError> {
        let (uid, gid) = text.split_once(':').ok_or(AccountError)?;
        let number = |text: &str| text.parse().map_err(|_| AccountError);
        Ok(Self { uid: number(uid)?, gid: number(gid)? })
    }
}

impl Account {
    /// Becomes this user, with no group but its own and without any capability.
    pub(super) fn take_on(self) -> io::Result<()> {
        setgroups(&[])?;
        setgid(Gid::from_raw(self.gid))?;
        setuid(Uid::from_raw(self.uid))?;
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
        Ok(set_capabilities(None, sets)?)
    }
}

/// Gives up the capabilities that a program would inherit, such as those of `AmbientCapabilities=`
/// in the supervisor's unit. Root's are of another kind, and stay.
pub(super) fn drop_inherited() -> io::Result<()> {
    if geteuid().is_root() {
        return Ok(());
    }
    clear_ambient_capability_set()?;
    let sets = CapabilitySets { inheritable: CapabilitySet::empty(), ..capabilities(None)? };
    Ok(set_capabilities(None, sets)?)
}
