//! How long a worker waits for its clients.

use std::time::Duration;

/// How long a client may take for each stage of its connection.
///
/// ```no_run
/// # use std::time::Duration;
/// # use sticky_worker::{Timeouts, Worker};
/// # fn example(worker: Worker) -> Worker {
/// worker.with_timeouts(Timeouts { idle: Duration::from_secs(120), ..Timeouts::default() })
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the head of a request, from its first byte on; for the first one of a connection, from the moment
    /// when it was accepted. Default: 10 s, which is many round trips of any network.
    pub head: Duration,
    /// Between two requests. Default: 75 s: longer than the 60 s for which nginx keeps the connections to
    /// its upstreams by default, or nginx would meet closed ones.
    pub idle: Duration,
    /// For a kilobyte of a request's body, while the handler waits for it. Default: 20 s.
    pub body: Duration,
    /// For the client to take a kilobyte of an answer. Default: 30 s: the kernel tells of room in large
    /// steps, and repeats lost packets ever more seldom.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { head: seconds(10), idle: seconds(75), body: seconds(20), answer: seconds(30) }
    }
}
