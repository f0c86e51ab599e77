//! Servers to measure, each with the same number of workers: this project's modes and their peers.
//!
//! Wherever the workers can be the same, they are this project's reference application.

mod bare;
mod node;
mod plain;
mod proxies;
mod workers;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use harness::http::whoami;
use harness::{Mode, Sticky, addresses, wait_until};

use crate::processes::{self, Tree};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A listener per worker, and the kernel's own choice: nobody is sticky. The limit.
    Plain,
    /// The same once more: how far two equal servers are apart.
    PlainAgain,
    /// `sticky run`.
    Sticky(Mode),
    /// nginx before the workers.
    Nginx,
    /// HAProxy before the workers.
    HaProxy,
    /// Workers in Node.js, steered by `sticky run`.
    NodeUnderSticky(Mode),
    /// Workers in Node.js, to which a master hands connections over.
    NodeRecipe,
    /// Socket.IO's own server in Node.js, one process.
    NodeSocketIo,
    /// An application that does next to nothing, on `axum::serve`: a listener per worker.
    Stock,
    /// The same application on sticky's library, and nothing else of sticky.
    Library,
    /// The same application as worker of `sticky run`.
    LibraryUnderSticky(Mode),
}

/// Which slot a client has to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The one that the mapping names.
    Mapping,
    /// The one that it met first.
    First,
}

/// A running server. Dropped, all its processes are gone.
pub struct Server {
    /// What it is.
    pub kind: Kind,
    /// Where it listens.
    pub address: SocketAddr,
    /// The processes that serve, by slot.
    pub workers: BTreeMap<u32, u32>,
    roots: Vec<u32>,
    _running: Box<dyn Any>,
}

impl Kind {
    /// Starts it with `workers` of them, and waits until all answer.
    pub fn start(self, workers: u32) -> Result<Server> {
        let mut server = match self {
            Self::Plain | Self::PlainAgain => plain::start(self, workers)?,
            Self::Sticky(mode) => Server::of_sticky(self, Sticky::new(mode, workers).start()),
            Self::Nginx => proxies::nginx(workers)?,
            Self::HaProxy => proxies::haproxy(workers)?,
            Self::NodeUnderSticky(mode) => {
                let options = Sticky::new(mode, workers).worker(node::worker());
                Server::of_sticky(self, options.start())
            }
            Self::NodeRecipe => node::recipe(workers)?,
            Self::NodeSocketIo => node::socket_io()?,
            Self::Stock => bare::stock(workers)?,
            Self::Library => bare::library(workers)?,
            Self::LibraryUnderSticky(mode) => {
                let options = Sticky::new(mode, workers).worker([bare::program()?]);
                Server::of_sticky(self, options.start())
            }
        };
        server.wait_for(workers);
        Ok(server)
    }

    /// What decides where its clients belong.
    pub fn rule(self) -> Rule {
        match self {
            Self::Nginx | Self::HaProxy => Rule::First,
            _ => Rule::Mapping,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("plain (limit)"),
            Self::PlainAgain => f.write_str("plain again"),
            Self::Sticky(mode) => f.write_str(mode.name()),
            Self::Nginx => f.write_str("nginx"),
            Self::HaProxy => f.write_str("HAProxy"),
            Self::NodeUnderSticky(mode) => write!(f, "Node, {}", mode.name()),
            Self::NodeRecipe => f.write_str("Node, recipe"),
            Self::NodeSocketIo => f.write_str("Node, socket.io"),
            Self::Stock => f.write_str("axum::serve"),
            Self::Library => f.write_str("sticky's library"),
            Self::LibraryUnderSticky(mode) => write!(f, "sticky's library, {}", mode.name()),
        }
    }
}

impl Server {
    fn new(kind: Kind, address: SocketAddr, roots: Vec<u32>, running: impl Any) -> Self {
        Self { kind, address, workers: BTreeMap::new(), roots, _running: Box::new(running) }
    }

    fn of_sticky(kind: Kind, sticky: Sticky) -> Self {
        Self::new(kind, sticky.address(), vec![sticky.pid()], sticky)
    }

    fn of_trees(kind: Kind, address: SocketAddr, trees: Vec<Tree>) -> Self {
        Self::new(kind, address, trees.iter().map(Tree::pid).collect(), trees)
    }

    /// The time that its processes have run so far, those of a proxy among them.
    pub fn run_time(&self) -> Duration {
        processes::run_time(&self.roots)
    }

    fn wait_for(&mut self, workers: u32) {
        let mut clients = addresses(1000).into_iter().cycle();
        wait_until("every worker answers", || {
            for client in clients.by_ref().take(20) {
                let answer = whoami(client, self.address).ok();
                self.workers.extend(answer.map(|answer| (answer.slot, answer.pid)));
            }
            (self.workers.len() >= workers as usize).then_some(())
        });
    }
}
