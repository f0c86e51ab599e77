//! Broadcasts between workers: the embedded bus beside Redis, in one run.
//!
//! Four workers, each a thread with a runtime of its own, as a worker process has. One publishes, the
//! others receive; rounds on either bus take turns. `cargo xtask bench bus` runs it.

mod report;
mod round;
mod servers;
mod workers;

use std::error::Error;

use report::Report;
use round::Round;
use servers::{Redis, Sockets};
use workers::Workers;

/// Workers on each bus, the publisher among them.
const WORKERS: u32 = 4;
/// Rounds on each bus; results are medians over them.
const ROUNDS: usize = 7;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let sockets = Sockets::open(WORKERS)?;
    let redis = Redis::start()?;
    let mesh = Workers::start(WORKERS, |slot| sockets.place(slot))?;
    let over_redis = Workers::start(WORKERS, |_| Ok(redis.place()))?;
    let mut report = Report::default();
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        // Who goes first takes turns, so that neither always has the warmer machine.
        let mut buses = [("embedded", &mesh), ("redis", &over_redis)];
        if round % 2 == 1 {
            buses.reverse();
        }
        for (name, workers) in buses {
            report.add(name, Round::run(workers)?);
        }
    }
    report.write()?;
    Ok(())
}
