//! A client beside the slow ones, which asks for something small and waits for the answer.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use harness::addresses;
use mio::net::TcpStream;
use serde::Serialize;
use sticky_benches::connect::connect;
use sticky_benches::http::{LARGEST_ANSWER, REQUEST, whole_body};
use sticky_benches::numbers::percentile;

/// Kept-alive connections, which are asked in turn.
const CONNECTIONS: usize = 8;

pub(crate) struct Neighbour(Vec<TcpStream>);

/// Times of answers, in seconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Times {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Neighbour {
    /// From addresses behind the first ones, which the slow clients have.
    pub(crate) fn connect(to: SocketAddr, behind: usize) -> Result<Self> {
        let addresses = addresses(behind + CONNECTIONS);
        let own = addresses.into_iter().skip(behind);
        let open = own.map(|from| connect(from, to)).collect::<io::Result<_>>();
        open.map(Self).context("the neighbour cannot connect")
    }

    /// Asks one request after the other.
    pub(crate) fn ask(&mut self, time: Duration) -> Result<Times> {
        let start = Instant::now();
        let mut times = Vec::new();
        while start.elapsed() < time {
            for stream in &mut self.0 {
                let asked = Instant::now();
                exchange(stream).context("the neighbour got no answer")?;
                times.push(asked.elapsed().as_secs_f64());
            }
        }
        times.sort_by(f64::total_cmp);
        Ok(Times { p50: percentile(&times, 0.5), p99: percentile(&times, 0.99) })
    }
}

fn exchange(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(REQUEST)?;
    let mut answer = [0; LARGEST_ANSWER];
    let mut filled = 0;
    loop {
        match stream.read(answer.get_mut(filled..).unwrap_or_default())? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => filled += length,
        }
        if whole_body(answer.get(..filled).unwrap_or_default())?.is_some() {
            return Ok(());
        }
    }
}
