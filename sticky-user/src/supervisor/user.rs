//! The user that workers run as.

use std::str::FromStr;

use nix::unistd::User as Account;

/// A user of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    name: String,
    uid: u32,
    gid: u32,
}

impl User {
    /// The name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The number.
    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// The number of the user's group.
    pub(crate) fn gid(&self) -> u32 {
        self.gid
    }
}

/// There is no such user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    /// Nobody has this name or number.
    #[error("there is no user {0:?} on this host; `getent passwd` lists them")]
    Unknown(String),
    /// The list of users cannot be read.
    #[error("cannot look up user {0:?}: {1}")]
    Lookup(String, nix::Error),
}

impl FromStr for User {
    type Err = UserError;

    /// Looks a name up, or a number.
    fn from_str(text: &str) -> Result<Self, UserError> {
        let found = match text.parse::<u32>() {
            Ok(uid) => Account::from_uid(uid.into()),
            Err(_) => Account::from_name(text),
        };
        let account = found.map_err(|error| UserError::Lookup(text.into(), error))?;
        let account = account.ok_or_else(|| UserError::Unknown(text.into()))?;
        Ok(Self { name: account.name, uid: account.uid.as_raw(), gid: account.gid.as_raw() })
    }
}
