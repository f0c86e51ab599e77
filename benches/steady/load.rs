//! Open connections, each with one message on its way.

use std::io;
use std::net::SocketAddr;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use harness::addresses;
use mio::{Events, Interest, Poll, Token};

use crate::conversation::Conversation;
use crate::traffic::Traffic;

/// No answer for as long is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connections of all threads.
pub(crate) struct Load(Vec<Share>);

/// Those of one thread.
struct Share {
    poll: Poll,
    open: Vec<Box<dyn Conversation>>,
}

impl Load {
    pub(crate) fn open(
        traffic: Traffic,
        to: SocketAddr,
        threads: usize,
        connections: usize,
    ) -> Result<Self> {
        let clients = addresses(connections.max(threads));
        let size = clients.len().div_ceil(threads.max(1));
        let shares = clients.chunks(size).map(|clients| {
            let poll = Poll::new()?;
            let mut open = Vec::new();
            for (place, &client) in clients.iter().enumerate() {
                let mut conversation = traffic.open(client, to)?;
                poll.registry().register(
                    conversation.stream(),
                    Token(place),
                    Interest::READABLE,
                )?;
                open.push(conversation);
            }
            Ok(Share { poll, open })
        });
        shares.collect::<Result<_>>().map(Self)
    }

    /// Latencies in seconds, and how long it took.
    pub(crate) fn run(&mut self, time: Duration) -> Result<(Vec<f64>, Duration)> {
        let start = Instant::now();
        let latencies: Vec<Result<Vec<f64>>> = thread::scope(|scope| {
            let run = |share| scope.spawn(move || Share::run(share, start, time));
            let threads: Vec<_> = self.0.iter_mut().map(run).collect();
            let join = |thread: ScopedJoinHandle<'_, io::Result<Vec<f64>>>| match thread.join() {
                Ok(latencies) => latencies.context("a connection failed"),
                Err(_) => Err(anyhow!("a thread of the load panicked")),
            };
            threads.into_iter().map(join).collect()
        });
        let latencies: Vec<Vec<f64>> = latencies.into_iter().collect::<Result<_>>()?;
        Ok((latencies.concat(), start.elapsed()))
    }
}

impl Share {
    fn run(&mut self, start: Instant, time: Duration) -> io::Result<Vec<f64>> {
        let mut events = Events::with_capacity(256);
        let mut latencies = Vec::new();
        let mut asked = vec![start; self.open.len()];
        for (conversation, asked) in self.open.iter_mut().zip(&mut asked) {
            *asked = Instant::now();
            conversation.ask()?;
        }
        let mut waiting = self.open.len();
        while waiting > 0 {
            self.poll.poll(&mut events, Some(PATIENCE))?;
            if events.is_empty() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            for event in &events {
                let place = event.token().0;
                let (Some(conversation), Some(asked)) =
                    (self.open.get_mut(place), asked.get_mut(place))
                else {
                    continue;
                };
                if !conversation.is_answered()? {
                    continue;
                }
                latencies.push(asked.elapsed().as_secs_f64());
                if start.elapsed() < time {
                    *asked = Instant::now();
                    conversation.ask()?;
                } else {
                    waiting -= 1;
                }
            }
        }
        Ok(latencies)
    }
}
