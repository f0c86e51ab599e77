//! From the start of one worker to its readiness, as a reload tells its steps.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use harness::{Mode, Sticky};
use serde_json::Value;
use sticky_benches::numbers::Figure;

use crate::options::WORKERS;

/// In milliseconds, over all workers and rounds.
pub(crate) fn measure(mode: Mode, rounds: usize) -> Result<Figure> {
    eprintln!("replacing {WORKERS} workers, mode {}", mode.name());
    let sticky = Sticky::new(mode, WORKERS).start();
    let mut times = Vec::new();
    for _ in 0..rounds {
        let mut control = UnixStream::connect(sticky.control())?;
        control.write_all(b"POST /reload HTTP/1.1\r\nhost: sticky\r\nconnection: close\r\n\r\n")?;
        let mut started = None;
        // Between the steps there is what HTTP puts around them.
        for line in BufReader::new(control).lines() {
            let Ok(step) = serde_json::from_str::<Value>(&line?) else { continue };
            match step["step"].as_str() {
                Some("starting") => started = Some(Instant::now()),
                Some("serving") => {
                    let started: Instant = started.context("no worker was started")?;
                    times.push(started.elapsed().as_secs_f64() * 1e3);
                }
                Some("failed") => bail!("a worker did not get ready: {}", step["why"]),
                _ => {}
            }
        }
    }
    sticky.stop();
    Ok(Figure::of(times))
}
