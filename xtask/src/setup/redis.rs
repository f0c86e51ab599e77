//! redis-server: the tests of the Redis bus start it themselves, on ports of their own.

use std::process::Command;

use anyhow::{Result, anyhow, bail};

use super::apt::{self, Apt};
use crate::exec::{find, say, stdout};

const NAME: &str = "redis-server";
/// The first one that knows sharded channels, and the one in Debian 12.
const OLDEST: u32 = 7;
const BY_HAND: &str =
    "Install redis-server 7 or later by hand, so that it is on PATH; its service need not run";

pub(super) fn install(apt: &mut Apt) -> Result<()> {
    if find(NAME).is_none() {
        apt.install(&[NAME], BY_HAND)?;
        apt::stop_service(NAME)?;
    }
    let answer = stdout(Command::new(NAME).arg("--version"))?;
    let (version, major) = version(&answer)
        .ok_or_else(|| anyhow!("{NAME} does not tell its version, but says: {answer}"))?;
    if major < OLDEST {
        bail!("{NAME} on PATH is {version}, which is too old. {BY_HAND}");
    }
    say(NAME, version);
    Ok(())
}

/// From a line such as `Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64`.
fn version(answer: &str) -> Option<(&str, u32)> {
    let version = answer.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    Some((version, version.split('.').next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version() {
        assert_eq!(version("Redis server v=7.0.15 sha=00000000:0 bits=64"), Some(("7.0.15", 7)));
        assert_eq!(version("Redis server"), None);
    }
}
