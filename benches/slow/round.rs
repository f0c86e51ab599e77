//! One worker, its neighbour undisturbed, and then beside slow clients of one kind until they are gone.

use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum as _;
use harness::Mode;
use serde::Serialize;
use sticky_benches::crowd::Crowd;
use sticky_benches::memory::settled;
use sticky_benches::processes::peak_memory;
use sticky_benches::servers;

use crate::kind::Kind;
use crate::neighbour::{Neighbour, Times};

/// What a slow client may last beyond its limit: machines are busy, and connections are closed in turn.
const MARGIN: Duration = Duration::from_secs(10);
/// Between two looks whether they are gone.
const PAUSE: Duration = Duration::from_millis(200);

/// What one round showed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) kind: Kind,
    pub(crate) clients: usize,
    pub(crate) undisturbed: Times,
    pub(crate) beside: Times,
    pub(crate) gone: Option<Gone>,
}

/// What the slow clients took, and how long.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Gone {
    /// Growth of the worker by each, at the most, in kB of 1024 bytes.
    pub(crate) kilobytes: f64,
    /// From connecting to the end, in seconds: the first, and the last one.
    pub(crate) first: f64,
    pub(crate) last: f64,
}

/// The worker is new in each round: memory that was used before would not grow again.
pub(crate) fn run(kind: Kind, clients: usize, time: Duration) -> Result<Sample> {
    let server = servers::Kind::LibraryUnderSticky(Mode::Ebpf).start(1)?;
    let pid = *server.workers.values().next().context("no process serves")?;
    let mut neighbour = Neighbour::connect(server.address, clients)?;
    // Unmeasured: the first requests are slower.
    neighbour.ask(time / 10)?;
    let undisturbed = neighbour.ask(time)?;
    if clients == 0 {
        let beside = neighbour.ask(time)?;
        return Ok(Sample { kind, clients, undisturbed, beside, gone: None });
    }
    let before = settled(&server)?;
    let name = kind.to_possible_value().context("a kind of slow client without a name")?;
    let mut crowd = Crowd::start(name.get_name(), server.address, "slow clients".into())?;
    let start = Instant::now();
    crowd.open(0, clients)?;
    let beside = neighbour.ask(time)?;
    let left = left(&mut crowd)?;
    ensure!(
        left == clients,
        "{kind}: {left} of {clients} slow clients were left {:?} after the first one had connected, before \
         the neighbour was measured: take fewer --clients or --seconds",
        start.elapsed()
    );
    let (first, last) = wait_until_gone(kind, &mut crowd)?;
    let growth = peak_memory(pid)?.saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "kilobytes")]
    let kilobytes = growth as f64 / 1024.0 / clients as f64;
    let gone = Some(Gone { kilobytes, first, last });
    Ok(Sample { kind, clients, undisturbed, beside, gone })
}

fn left(crowd: &mut Crowd) -> Result<usize> {
    crowd.ask("left")?.parse().context("not a number of clients")
}

/// How long the first and the last one were connected.
fn wait_until_gone(kind: Kind, crowd: &mut Crowd) -> Result<(f64, f64)> {
    let most = kind.limit() + MARGIN;
    // The last one has just connected, at the latest.
    let end = Instant::now() + most;
    loop {
        let left = left(crowd)?;
        if left == 0 {
            break;
        }
        if Instant::now() > end {
            bail!("{kind}: {left} slow clients are still there after {most:?}");
        }
        sleep(PAUSE);
    }
    let times = crowd.ask("lasted")?;
    let times: Vec<f64> =
        times.split(' ').map(str::parse).collect::<Result<_, _>>().context("not seconds")?;
    let first = times.iter().copied().fold(f64::INFINITY, f64::min);
    let last = times.iter().copied().fold(0.0, f64::max);
    ensure!(
        last <= most.as_secs_f64(),
        "{kind}: a slow client was connected for {last:.1} s, longer than {most:?}"
    );
    Ok((first, last))
}

impl Sample {
    /// The neighbour's times beside slow clients, as ratios to the undisturbed ones.
    pub(crate) fn ratios(&self) -> Times {
        let Self { undisturbed, beside, .. } = self;
        Times { p50: beside.p50 / undisturbed.p50, p99: beside.p99 / undisturbed.p99 }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Times { p50, p99 } = self.ratios();
        write!(f, "p50 {p50:.2}, p99 {p99:.2} of the undisturbed")?;
        let Some(Gone { kilobytes, first, last }) = self.gone else { return Ok(()) };
        write!(f, "; {kilobytes:.1} kB each; gone after {first:.1} to {last:.1} s")
    }
}
