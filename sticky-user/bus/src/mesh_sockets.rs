//! Where the embedded bus's sockets lie: one for each slot, which the supervisor opens and the workers of all
//! other slots connect to. For the supervisor; an application has nothing to do with them.
//!
//! ```
//! use std::path::Path;
//!
//! use sticky_bus::mesh_sockets;
//! use sticky_contract::SlotId;
//!
//! let path = mesh_sockets::path(Path::new("/run/sticky"), SlotId::try_from(3)?);
//! assert_eq!(path, Path::new("/run/sticky/bus-3.sock"));
//! assert!(mesh_sockets::is_name(path.file_name().unwrap()));
//! # Ok::<(), sticky_contract::SlotIdError>(())
//! ```

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use sticky_contract::SlotId;

/// The path of a slot's socket, in the directory that the supervisor names (`STICKY_BUS`).
pub fn path(directory: &Path, slot: SlotId) -> PathBuf {
    directory.join(name(slot))
}

/// The name of a slot's socket.
pub fn name(slot: SlotId) -> String {
    format!("bus-{slot}.sock")
}

/// Whether a file has a name as [`name`] gives them.
pub fn is_name(file: &OsStr) -> bool {
    let slot = file.to_str().and_then(|name| name.strip_prefix("bus-")?.strip_suffix(".sock"));
    slot.is_some_and(|slot| slot.parse::<SlotId>().is_ok())
}
