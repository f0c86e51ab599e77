//! `sticky status`: a line per slot.

use std::io::{self, Write};
use std::time::Duration;

use super::Failure;
use super::request::RequestError;
use super::target::Target;
use crate::steering::Mode;
use crate::supervisor::status::{ForeignListenerStatus, SlotStatus, Status};
use sticky_bus::Health;

/// Show each slot of a running supervisor: state, worker, connections
///
/// Where the supervisor has gone and its workers serve on, it shows what is known of them and fails.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    target: Target,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.target.status() {
            Err(RequestError::Gone(vacancy)) => {
                // A note of another version tells nothing, and the error says what there is to say.
                if let Ok(status) = Status::left(&vacancy) {
                    self.show(&status)?;
                }
                Err(RequestError::Gone(vacancy).into())
            }
            status => self.show(&status?),
        }
    }

    fn show(&self, status: &Status) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(status)?)?;
        } else {
            print(&mut out, status)?;
        }
        Ok(())
    }
}

fn print(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let Status { listen, mode, workers, pid, .. } = status;
    let supervisor = match &status.gone_since {
        None => format!("supervisor {pid}, up {}", duration(status.uptime_seconds)),
        Some(since) => format!("supervisor {pid}, GONE since {since}"),
    };
    writeln!(out, "{listen}  mode {mode}, {workers} workers, {supervisor}")?;
    if status.gone_since.is_some() && *mode == Mode::FdPassing {
        writeln!(out, "who connects waits for the next supervisor")?;
    }
    for refused in &status.refused {
        writeln!(out, "not {}: {}", refused.mode, refused.why)?;
    }
    if let Some(why) = &status.rolled_back {
        writeln!(out, "the last upgrade was undone: {why}")?;
    }
    let foreign = &status.foreign_listeners;
    if !foreign.is_empty() {
        writeln!(
            out,
            "foreign listeners: {} sockets of other programs on the port",
            foreign.len()
        )?;
        for ForeignListenerStatus { listen, uid, socket, effect, .. } in foreign {
            writeln!(out, "  socket {socket} of user {uid} on {listen} {effect}")?;
        }
    }
    if let Some(counters) = &status.counters {
        writeln!(out, "connections: {} seen, {} dropped", counters.runs, counters.dropped())?;
    }
    let [slot, state, pid, uptime, restarts, steered, queue, bus] =
        ["SLOT", "STATE", "PID", "UPTIME", "RESTARTS", "STEERED", "QUEUE", "BUS"];
    writeln!(
        out,
        "\n{slot:>4}  {state:<18}{pid:>8}{uptime:>12}{restarts:>10}{steered:>12}{queue:>8}  {bus}"
    )?;
    for slot in &status.slots {
        print_slot(out, slot)?;
    }
    Ok(())
}

fn print_slot(out: &mut impl Write, slot: &SlotStatus) -> io::Result<()> {
    writeln!(
        out,
        "{:>4}  {:<18}{:>8}{:>12}{:>10}{:>12}{:>8}  {}",
        slot.slot,
        state(slot),
        or_dash(slot.pid),
        or_dash(slot.uptime_seconds.map(duration)),
        slot.restarts,
        or_dash(slot.steered),
        or_dash(slot.queue),
        or_dash(slot.bus.map(bus)),
    )
}

fn state(slot: &SlotStatus) -> String {
    if slot.away { format!("{}, away", slot.state) } else { slot.state.clone() }
}

fn bus(Health { up, peers, dropped, disconnected, .. }: Health) -> String {
    let up = if up { "up" } else { "DOWN" };
    let dropped = if dropped > 0 { format!(", {dropped} lost") } else { String::new() };
    let slow =
        if disconnected > 0 { format!(", {disconnected} clients too slow") } else { String::new() };
    format!("{up}, {peers} peers{dropped}{slow}")
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

/// In whole seconds, as a person reads it.
fn duration(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.floor()).unwrap_or_default();
    humantime::format_duration(whole).to_string()
}
