//! What the supervisor tells of the embedded bus.

use std::env;
use std::os::fd::OwnedFd;
use std::str::FromStr;

use super::Error;
use super::mesh::Place;
use crate::sys::inherited;

/// The worker's place in the mesh and its slot's socket (`STICKY_BUS`, `STICKY_SLOT`,
/// `STICKY_WORKERS`, and the descriptor named `bus`); `None` where there is none.
pub(super) fn mesh() -> Result<Option<(Place, OwnedFd)>, Error> {
    let Some(directory) = env::var_os("STICKY_BUS") else {
        return Ok(None);
    };
    let Some(socket) = inherited::take("bus").map_err(Error::Descriptors)? else {
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
