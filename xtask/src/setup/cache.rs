//! Where tools are kept that were built for this project.

use std::env;
use std::path::PathBuf;

use anyhow::{Result, anyhow};

/// The folder of one tool.
pub(super) fn folder(tool: &str) -> Result<PathBuf> {
    let named =
        |name: &str| env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    named("XDG_CACHE_HOME")
        .or_else(|| named("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("sticky").join(tool))
        .ok_or_else(|| anyhow!("neither XDG_CACHE_HOME nor HOME names a folder to keep {tool} in"))
}
