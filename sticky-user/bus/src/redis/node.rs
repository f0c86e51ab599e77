//! One server, and the connection to it, which is made again whenever it is lost.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use super::connection::{Connection, Failure};
use super::receive_queue::ReceiveQueues;
use super::server::Server;
use super::verbs::Verbs;
use crate::backoff::Backoff;

/// How often a server that says nothing is asked whether it lives.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// A server. Dropped, it closes the connection.
#[derive(Debug)]
pub(super) struct Node {
    keeper: Keeper,
    _keeping: AbortOnDropHandle<()>,
}

#[derive(Clone, Debug)]
struct Keeper {
    server: Server,
    verbs: Verbs,
    receive_queues: Arc<ReceiveQueues>,
    wishes: Arc<watch::Sender<Wishes>>,
    standing: Arc<watch::Sender<Standing>>,
    /// Whom to tell when that changes.
    changed: Arc<Notify>,
}

/// The channels that are to be subscribed to.
#[derive(Clone, Debug, Default)]
struct Wishes {
    channels: BTreeSet<String>,
    version: u64,
}

/// What has come of it.
#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// Nothing yet: it is the first attempt.
    Connecting,
    /// The subscriptions stand, as far as they were wished for in that version.
    Up(Connection, u64),
    /// Not connected, for that reason; tried again.
    Down(String),
}

impl Node {
    pub(super) fn start(
        server: Server,
        verbs: Verbs,
        receive_queues: Arc<ReceiveQueues>,
        changed: Arc<Notify>,
    ) -> Self {
        let keeper = Keeper {
            server,
            verbs,
            receive_queues,
            wishes: Arc::default(),
            standing: Arc::new(watch::Sender::new(Standing::Connecting)),
            changed,
        };
        let keeping = tokio::spawn(keeper.clone().keep());
        Self { keeper, _keeping: AbortOnDropHandle::new(keeping) }
    }

    pub(super) fn server(&self) -> &Server {
        &self.keeper.server
    }

    pub(super) fn standing(&self) -> Standing {
        self.keeper.standing.borrow().clone()
    }

    /// The connection, while it is up.
    pub(super) fn link(&self) -> Option<Connection> {
        match self.standing() {
            Standing::Up(link, _) => Some(link),
            _ => None,
        }
    }

    /// These channels, and no others.
    pub(super) fn wish(&self, channels: BTreeSet<String>) {
        self.keeper.wishes.send_if_modified(|wishes| {
            let news = wishes.channels != channels;
            wishes.channels = channels;
            wishes.version += u64::from(news);
            news
        });
    }

    /// One channel more; returns when it stands, or when there is no connection: then it will
    /// stand before there is one again.
    pub(super) async fn subscribe(&self, channel: &str) {
        let mut version = 0;
        self.keeper.wishes.send_modify(|wishes| {
            wishes.channels.insert(channel.to_owned());
            wishes.version += 1;
            version = wishes.version;
        });
        let mut standing = self.keeper.standing.subscribe();
        // Fails only when the sender is dropped, which is in `self`.
        let _ = standing
            .wait_for(|standing| match standing {
                Standing::Up(_, stands) => *stands >= version,
                Standing::Connecting => false,
                Standing::Down(_) => true,
            })
            .await;
    }

    pub(super) fn unsubscribe(&self, channel: &str) {
        self.keeper.wishes.send_if_modified(|wishes| {
            let news = wishes.channels.remove(channel);
            wishes.version += u64::from(news);
            news
        });
    }
}

impl Keeper {
    async fn keep(self) {
        let mut backoff = Backoff::default();
        loop {
            let begin = Instant::now();
            let reason = self.attempt().await;
            debug!("Redis at {}: {reason}", self.server);
            self.stand(Standing::Down(reason));
            sleep(backoff.pause_after(begin.elapsed())).await; // real delay: the server is not to be flooded
        }
    }

    /// Connects, and stays connected as long as possible; returns why that is over.
    async fn attempt(&self) -> String {
        let link = match Connection::open(
            &self.server,
            self.verbs,
            Arc::clone(&self.receive_queues),
        )
        .await
        {
            Ok(link) => link,
            Err(error) => return error.reason(),
        };
        let Err(failure) = self.serve(&link).await;
        let reason = match failure {
            Failure::Lost => link.reason(),
            Failure::Late => "it took too long to subscribe".into(),
            Failure::Refused(error) => self.server.explain(&error).reason(),
        };
        // Whoever waits for an answer still is told so.
        link.lose(reason.clone());
        reason
    }

    async fn serve(&self, link: &Connection) -> Result<Infallible, Failure> {
        let mut wishes = self.wishes.subscribe();
        let mut heartbeat = interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut have = BTreeSet::new();
        loop {
            let Wishes { channels: want, version } = wishes.borrow_and_update().clone();
            self.change(link, &have, &want).await?;
            have = want;
            self.stand(Standing::Up(link.clone(), version));
            loop {
                tokio::select! {
                    () = link.lost() => return Err(Failure::Lost),
                    // Fails only when the sender is dropped, which is in `self`.
                    _ = wishes.changed() => break,
                    _ = heartbeat.tick() => match link.ping().await {
                        Err(Failure::Lost) => return Err(Failure::Lost),
                        // It lives, that is all there is to know.
                        Ok(()) | Err(Failure::Late | Failure::Refused(_)) => {}
                    }
                }
            }
        }
    }

    async fn change(
        &self,
        link: &Connection,
        have: &BTreeSet<String>,
        want: &BTreeSet<String>,
    ) -> Result<(), Failure> {
        let without = |all: &BTreeSet<String>, some| all.difference(some).cloned().collect();
        let leave: Vec<String> = without(have, want);
        match link.unsubscribe(&leave).await {
            // In a cluster, the server has done so itself when the channel moved away.
            Err(Failure::Refused(error)) => debug!("not unsubscribed: {error}"),
            result => result?,
        }
        let join: Vec<String> = without(want, have);
        link.subscribe(&join).await
    }

    fn stand(&self, standing: Standing) {
        self.standing.send_replace(standing);
        self.changed.notify_one();
    }
}
