//! Programs in the kernel that this process has loaded.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result};
use aya::programs::{ProgramInfo, loaded_programs};

/// What the kernel tells of one.
pub(crate) fn info(id: u32) -> Result<ProgramInfo> {
    let found = loaded_programs().filter_map(Result::ok).find(|program| program.id() == id);
    found.context("the program is no longer loaded")
}

/// Ids of the programs of which this process holds a descriptor.
pub(crate) fn held() -> Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        // The descriptor by which the folder is read has gone by then.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let id = text.lines().find_map(|line| line.strip_prefix("prog_id:"));
        found.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
    }
    Ok(found)
}
