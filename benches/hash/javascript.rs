//! The same algorithms in Node.js.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use sticky_benches::algorithms::{Client, INT31_SEED};
use sticky_ebpf::SlotCount;
use tempfile::TempDir;

/// What one algorithm gave in Node.js.
pub(crate) struct Javascript {
    pub(crate) nanoseconds: f64,
    pub(crate) slots: Vec<Option<u32>>,
}

/// What the script prints, per algorithm.
#[derive(Deserialize)]
struct Printed {
    milliseconds: f64,
    /// A file with a number of 16 bits per address.
    file: String,
}

/// Stands for `NaN` in that file.
const NOT_A_NUMBER: u16 = u16::MAX;

/// By the names of the algorithms; farmhash is missing where its package is.
pub(crate) fn run(clients: &[Client], workers: SlotCount) -> Result<HashMap<String, Javascript>> {
    let folder = TempDir::with_prefix("sticky-bench-")?;
    let text = folder.path().join("addresses");
    let mut file = BufWriter::new(File::create(&text)?);
    for client in clients {
        writeln!(file, "{}", client.text)?;
    }
    file.flush()?;
    let bytes: Vec<u8> = clients.iter().flat_map(|client| octets(client.address)).collect();
    fs::write(folder.path().join("bytes"), bytes)?;

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("javascript/hash.mjs");
    let output = Command::new("node")
        .arg(script)
        .args([&workers.to_string(), &INT31_SEED.to_string()])
        .current_dir(&folder)
        .stderr(Stdio::inherit())
        .output()
        .context("Node.js is not on PATH")?;
    if !output.status.success() {
        bail!("the script ended with {}", output.status);
    }
    let printed: HashMap<String, Printed> = serde_json::from_slice(&output.stdout)?;
    printed
        .into_iter()
        .map(|(name, printed)| {
            let slots = fs::read(folder.path().join(printed.file))?;
            Ok((
                name,
                Javascript { nanoseconds: printed.milliseconds * 1e6, slots: decoded(&slots) },
            ))
        })
        .collect()
}

fn decoded(file: &[u8]) -> Vec<Option<u32>> {
    let slots = file.as_chunks().0.iter().map(|&pair| u16::from_le_bytes(pair));
    slots.map(|slot| (slot != NOT_A_NUMBER).then_some(slot.into())).collect()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
