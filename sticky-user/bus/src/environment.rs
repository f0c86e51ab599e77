//! What the supervisor tells of the bus.

use std::env;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::str::FromStr;

use tracing::warn;

use super::mesh::Place;
use super::{Error, InvalidRedisUrl, REDIS_CA_VARIABLE, REDIS_VARIABLE, RedisUrls};
use sticky_sys::inherited;

/// The Redis server (`STICKY_REDIS`, `STICKY_REDIS_CA`); `None` where there is none.
pub(super) fn redis() -> Result<Option<RedisUrls>, Error> {
    let Some(urls) = env::var_os(REDIS_VARIABLE).filter(|urls| !urls.is_empty()) else {
        return Ok(None);
    };
    let urls: RedisUrls = urls.to_str().ok_or(InvalidRedisUrl::NOT_TEXT)?.parse()?;
    match env::var_os(REDIS_CA_VARIABLE).filter(|path| !path.is_empty()) {
        Some(path) => urls.with_authorities_of(Path::new(&path)).map(Some),
        None => Ok(Some(urls)),
    }
}

/// The worker's place in the mesh and its slot's socket (`STICKY_BUS`, `STICKY_SLOT`,
/// `STICKY_WORKERS`, and the descriptor named `bus`); `None` where there is none.
pub(super) fn mesh() -> Result<Option<(Place, OwnedFd)>, Error> {
    let Some(directory) = env::var_os("STICKY_BUS") else {
        return Ok(None);
    };
    let Some(socket) = inherited::take("bus").map_err(Error::Descriptors)? else {
        // No error: a program that a worker starts inherits the variable, and not the socket.
        warn!(
            "STICKY_BUS is set, and no socket named `bus` is left to be taken: broadcasts stay within \
             this worker"
        );
        return Ok(None);
    };
    let place = Place {
        directory: directory.into(),
        slot: number("STICKY_SLOT")?,
        slots: number("STICKY_WORKERS")?,
    };
    Ok(Some((place, socket)))
}

fn number<T: FromStr>(name: &'static str) -> Result<T, Error> {
    let value = env::var(name).unwrap_or_default();
    value.parse().map_err(|_| Error::Environment { name, value })
}
