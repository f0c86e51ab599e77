//! How many files a process may open.

use anyhow::{Context as _, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Every connection is a file of the process that serves it, and of its client's; both inherit the limit. How
/// many connections they can have.
pub fn raise_limit(connections: usize) -> Result<usize> {
    /// Besides connections; and what an upgrade takes for a moment.
    const OTHERS: u64 = 500;
    let wanted = u64::try_from(connections)? + OTHERS;
    let hard = getrlimit(Resource::Nofile).maximum;
    let raise = |to| setrlimit(Resource::Nofile, Rlimit { current: to, maximum: to });
    // Beyond the hard limit it takes a right that even root may lack.
    if hard.is_some_and(|hard| hard >= wanted) || raise(Some(wanted)).is_err() {
        raise(hard).context("cannot raise the limit of open files")?;
    }
    match getrlimit(Resource::Nofile).current {
        None => Ok(connections),
        Some(files) if files > OTHERS => Ok(usize::try_from(files - OTHERS)?),
        Some(files) => {
            bail!("a process may open only {files} files: raise that limit (`ulimit -n 20000`)")
        }
    }
}
