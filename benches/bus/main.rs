//! Broadcasts between workers: the embedded bus beside Redis, in one run.
//!
//! Four workers, each a thread with a runtime of its own, as a worker process has. One publishes, the
//! others receive; rounds on either bus take turns. Then the whole server: one client that sends as fast
//! as it can, and who gets how much of it. `cargo xtask bench bus` runs it.

mod flood;
mod report;
mod round;
mod servers;
mod workers;

use std::error::Error;

use report::{Row, table};
use round::Round;
use servers::{Redis, Sockets};
use sticky_benches::interleave;
use sticky_benches::report::Report;
use sticky_contract::SlotCount;
use workers::Workers;

/// Workers on each bus, the publisher among them.
const WORKERS: u32 = 4;
/// Rounds on each bus; results are medians over them.
const ROUNDS: usize = 7;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let workers = SlotCount::new(WORKERS)?;
    let sockets = Sockets::open(workers)?;
    let redis = Redis::start()?;
    let mut buses = [
        ("embedded bus", Workers::start(workers, |slot| sockets.place(slot))?, Vec::new()),
        ("Redis", Workers::start(workers, |_| Ok(redis.place()))?, Vec::new()),
    ];
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        for at in interleave::order(round, buses.len()) {
            if let Some((_, workers, rounds)) = buses.get_mut(at) {
                rounds.push(Round::run(workers)?);
            }
        }
    }
    let rows = buses.map(|(name, _, rounds)| Row::of(name, &rounds));
    let mut report = Report::new("bus")?;
    report.say(&table(&rows));
    report.data("buses", &rows)?;
    eprintln!("a flood over each");
    let mut floods = Vec::from(flood::run("embedded bus", None)?);
    floods.extend(flood::run("Redis", Some(&redis.url()))?);
    report.say(&flood::table(&floods));
    report.data("floods", &floods)?;
    report.write()?;
    Ok(())
}
