//! `sticky which`: the slot of a client, and how many clients spread.

mod line;
mod spread;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sticky_contract::SlotId;
use sticky_ebpf::{Ipv6Prefix, Mapping, SlotCount, SlotCountError};

use self::line::Line;
use self::spread::Spread;
use super::Failure;
use super::target::Target;

/// Tell which slot serves a client, or how many clients would spread over the slots
///
/// Asks the running supervisor how many slots there are; with --workers none needs to run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Addresses of clients, IPv4 or IPv6
    #[arg(value_name = "IP", required_unless_present = "file")]
    clients: Vec<IpAddr>,

    /// Read addresses from a file (- for standard input) and print how they spread
    ///
    /// One at the start of each line, so that an access log will do, or in an object of JSON with a
    /// common name, such as remote_addr, remote_ip, client_ip or ip. Empty lines and lines that begin
    /// with # are passed over; so are lines without an address, which are counted.
    #[arg(long, value_name = "FILE", conflicts_with = "clients")]
    file: Option<PathBuf>,

    /// For so many workers, whatever runs
    #[arg(long, value_name = "N", env = "STICKY_WORKERS")]
    workers: Option<SlotCount>,

    /// With --workers: how many leading bits of an IPv6 address count, 0 to 128
    #[arg(long, value_name = "BITS", default_value = "64", env = "STICKY_IPV6_PREFIX")]
    ipv6_prefix: Ipv6Prefix,

    #[command(flatten)]
    target: Target,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One client and its slot.
#[derive(Debug, Serialize)]
struct Answer {
    ip: IpAddr,
    key: u64,
    slot: SlotId,
}

/// As much of a line is shown.
const LONGEST: usize = 80;

/// The addresses cannot be read.
#[derive(Debug, thiserror::Error)]
enum WhichError {
    #[error("cannot read addresses from {file}; name a file, or - for standard input")]
    Read { file: String, source: io::Error },
    #[error(
        "no line of {file} has an IP address, neither at its start nor in JSON with a name such as \
         remote_addr; the first is {text:?}"
    )]
    NoAddress { file: String, text: String },
    #[error(
        "the supervisor tells of {workers} workers and a prefix of {bits} bits; is it of another version?"
    )]
    Answer { workers: u32, bits: u8, source: Option<SlotCountError> },
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mapping = self.mapping()?;
        let mut out = io::stdout().lock();
        if let Some(file) = &self.file {
            let spread = spread_of(&mapping, file)?;
            if self.json {
                writeln!(out, "{}", serde_json::to_string_pretty(&spread)?)?;
            } else {
                spread.print(&mut out)?;
            }
            return Ok(());
        }
        let answers: Vec<Answer> = self
            .clients
            .iter()
            .map(|&ip| Answer { ip, key: mapping.key_of(ip).number(), slot: mapping.slot_of(ip) })
            .collect();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&answers)?)?;
        } else {
            for Answer { ip, slot, .. } in &answers {
                writeln!(out, "{ip} slot {slot}")?;
            }
        }
        Ok(())
    }

    fn mapping(&self) -> Result<Mapping, Failure> {
        if let Some(workers) = self.workers {
            return Ok(Mapping::new(workers).with_ipv6_prefix(self.ipv6_prefix));
        }
        let status = self.target.status()?;
        let (workers, bits) = (status.workers, status.ipv6_prefix);
        let wrong = |source| WhichError::Answer { workers, bits, source };
        let slots = SlotCount::new(workers).map_err(|error| wrong(Some(error)))?;
        let prefix = Ipv6Prefix::new(bits).ok_or_else(|| wrong(None))?;
        let away = |slot: SlotId| status.slots.iter().any(|it| it.slot == slot && it.away);
        Ok(Mapping::new(slots).with_ipv6_prefix(prefix).without(away))
    }
}

fn spread_of(mapping: &Mapping, path: &Path) -> Result<Spread, WhichError> {
    let standard_input = path.as_os_str() == "-";
    let file = if standard_input { "standard input".into() } else { path.display().to_string() };
    let failed = |source| WhichError::Read { file: file.clone(), source };
    let input: Box<dyn BufRead> = if standard_input {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(failed)?))
    };
    let mut first_without = None;
    let mut skipped = 0;
    let clients = input.lines().filter_map(|text| match text {
        Ok(text) => match line::client(&text) {
            Line::Client(client) => Some(Ok(client)),
            Line::Nothing => None,
            Line::Unknown => {
                skipped += 1;
                first_without.get_or_insert_with(|| text.chars().take(LONGEST).collect::<String>());
                None
            }
        },
        Err(error) => Some(Err(failed(error))),
    });
    let spread = Spread::count(mapping, clients)?;
    match first_without {
        Some(text) if spread.is_empty() => Err(WhichError::NoAddress { file, text }),
        _ => Ok(spread.without(skipped)),
    }
}
