//! Clients without end, from many addresses.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use harness::addresses;
use mio::{Events, Interest, Poll, Token};
use sticky_benches::servers::Rule;
use sticky_ebpf::{Mapping, SlotCount};

use crate::client::{Answer, Client};

/// No answer for as long is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// The addresses that clients connect from, and the slot where each belongs.
pub(crate) struct Sources(Vec<(Ipv4Addr, AtomicU32)>);

/// Not met yet.
const UNKNOWN: u32 = u32::MAX;

impl Sources {
    pub(crate) fn new(count: usize, rule: Rule, workers: SlotCount) -> Self {
        let mapping = Mapping::new(workers);
        let home = |client: Ipv4Addr| match rule {
            Rule::Mapping => mapping.slot_of(IpAddr::V4(client)).get(),
            Rule::First => UNKNOWN,
        };
        let sources = addresses(count).into_iter();
        Self(sources.map(|client| (client, AtomicU32::new(home(client)))).collect())
    }

    fn address(&self, source: usize) -> Ipv4Addr {
        self.0.get(source).map_or(Ipv4Addr::LOCALHOST, |(address, _)| *address)
    }

    fn is_right(&self, source: usize, slot: Option<u32>) -> bool {
        let (Some((_, home)), Some(slot)) = (self.0.get(source), slot) else {
            return false;
        };
        let met = home.compare_exchange(UNKNOWN, slot, Ordering::Relaxed, Ordering::Relaxed);
        met.map_or_else(|home| home == slot, |_| true)
    }
}

/// How a server is put under load.
pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) sources: &'a Sources,
    pub(crate) threads: usize,
    /// Open at a time, of all threads.
    pub(crate) connections: usize,
    pub(crate) time: Duration,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Tally {
    /// Seconds from connecting to the answer.
    pub(crate) latencies: Vec<f64>,
    pub(crate) wrong: usize,
    pub(crate) failed: usize,
    /// From the first connection to the last answer.
    pub(crate) time: Duration,
}

impl Load<'_> {
    pub(crate) fn run(&self) -> Result<Tally> {
        let start = Instant::now();
        let tallies: Vec<Result<Tally>> = thread::scope(|scope| {
            let run = |thread| scope.spawn(move || self.run_thread(thread, start));
            let threads: Vec<_> = (0..self.threads).map(run).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join();
            threads
                .into_iter()
                .map(join)
                .map(|joined| match joined {
                    Ok(tally) => Ok(tally?),
                    Err(_) => Err(anyhow!("a thread of the load panicked")),
                })
                .collect()
        });
        let mut sum = Tally::default();
        for tally in tallies {
            let tally = tally?;
            sum.latencies.extend(tally.latencies);
            sum.wrong += tally.wrong;
            sum.failed += tally.failed;
        }
        sum.time = start.elapsed();
        Ok(sum)
    }

    /// Each thread has its own part of the sources, and goes through it in turn.
    fn run_thread(&self, thread: usize, start: Instant) -> io::Result<Tally> {
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(256);
        let mut tally = Tally::default();
        let mut sources = (thread..self.sources.0.len()).step_by(self.threads).cycle();
        let connect = |poll: &Poll, place: usize, source: Option<usize>| {
            let source = source.unwrap_or_default();
            let mut client = Client::connect(self.sources.address(source), source, self.address)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut client.stream, Token(place), interest)?;
            io::Result::Ok(client)
        };
        let places = (self.connections / self.threads).max(1);
        let mut clients: Vec<Option<Client>> = (0..places).map(|_| None).collect();
        for (place, client) in clients.iter_mut().enumerate() {
            *client = Some(connect(&poll, place, sources.next())?);
        }
        while clients.iter().any(Option::is_some) {
            poll.poll(&mut events, Some(PATIENCE))?;
            if events.is_empty() {
                tally.failed += clients.iter().flatten().count();
                break;
            }
            for event in &events {
                let place = event.token().0;
                let Some(client) = clients.get_mut(place) else { continue };
                let Some(waiting) = client else { continue };
                match waiting.go_on() {
                    Ok(None) => continue,
                    Ok(Some(answer)) => tally.add(&answer, self.sources, waiting.source),
                    Err(_) => tally.failed += 1,
                }
                // Closed before the next one is opened.
                *client = None;
                if start.elapsed() < self.time {
                    *client = Some(connect(&poll, place, sources.next())?);
                }
            }
        }
        Ok(tally)
    }
}

impl Tally {
    fn add(&mut self, answer: &Answer, sources: &Sources, source: usize) {
        self.latencies.push(answer.latency.as_secs_f64());
        self.wrong += usize::from(!sources.is_right(source, answer.slot));
    }
}
