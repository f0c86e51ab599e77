//! Memory of a server that has come to rest.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::processes;
use crate::servers::Server;
use anyhow::{Context as _, Result, bail};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// So many looks in a row have to agree.
const LOOKS: usize = 5;
/// What they may differ by: the kernel counts pages by processor before it adds them up, and a runtime has
/// something to do of its own.
const TOLERANCE: u64 = 512 << 10;
/// A server that has not come to rest after so long is not idle.
const LIMIT: Duration = Duration::from_mins(1);

/// `VmRSS` of the process that serves, in bytes, once it has stopped to change.
pub fn settled(server: &Server) -> Result<u64> {
    let pid = *server.workers.values().next().context("no process serves")?;
    let end = Instant::now() + LIMIT;
    let mut seen = Vec::new();
    loop {
        seen.push(processes::resident_memory(pid)?);
        let recent = seen.get(seen.len().saturating_sub(LOOKS)..).unwrap_or_default();
        let (least, most) = (recent.iter().min().copied(), recent.iter().max().copied());
        let (Some(least), Some(most), Some(now)) = (least, most, recent.last()) else { continue };
        if recent.len() == LOOKS && most - least <= TOLERANCE {
            return Ok(*now);
        }
        if Instant::now() > end {
            bail!(
                "the memory of {} did not come to rest within {LIMIT:?}: at last it was between {least} \
                 and {most} bytes",
                server.kind
            );
        }
        // For the memory of a process the kernel has no event.
        sleep(PAUSE);
    }
}
