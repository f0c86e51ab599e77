//! A connection to one server, and what is asked on it. It is lost once and for all.

use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue, ProtocolVersion, RedisError,
    ServerErrorKind, Value, cmd, pipe,
};
use tokio::time::{Instant, timeout};

use super::commands::Commands;
use super::error::RedisBusError;
use super::liveness::Liveness;
use super::receive_queue::ReceiveQueues;
use super::server::Server;

/// A server from which nothing has come for as long, while it is asked for something, counts as
/// gone.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(2);

/// Silence is made of so many moments. A process that was itself stopped for long wakes up within one
/// of them, and reads what has come meanwhile in the next.
const MOMENTS: u32 = 8;

/// No answer takes longer, even from a server that is merely busy.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Another node of the cluster has that channel.
const MOVED: ErrorKind = ErrorKind::Server(ServerErrorKind::Moved);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection is lost; [`Connection::reason`] says why.
    Lost,
    /// The server is busy with something else.
    Late,
    /// The server said no.
    Refused(RedisError),
}

/// A connection. Clones are of the same.
#[derive(Clone)]
pub(super) struct Connection(Arc<Inner>);

struct Inner {
    connection: MultiplexedConnection,
    liveness: Arc<Liveness>,
    commands: Commands,
    server: Server,
}

impl Connection {
    /// Connects. What is heard goes to the receive queues.
    pub(super) async fn open(
        server: &Server,
        commands: Commands,
        receive_queues: Arc<ReceiveQueues>,
    ) -> Result<Self, RedisBusError> {
        let liveness = Arc::new(Liveness::default());
        let hearing = Arc::clone(&liveness);
        let config = AsyncConnectionConfig::new().set_push_sender(move |push| {
            hearing.hear(push, &receive_queues);
            Ok::<(), Infallible>(())
        });
        let connection = server.connect(ProtocolVersion::RESP3, config).await?;
        let server = server.clone();
        Ok(Self(Arc::new(Inner { connection, liveness, commands, server })))
    }

    /// Waits until the connection is lost.
    pub(super) async fn lost(&self) {
        self.0.liveness.lost().await;
    }

    pub(super) fn reason(&self) -> String {
        self.0.liveness.reason().to_owned()
    }

    pub(super) fn lose(&self, reason: impl Into<String>) {
        self.0.liveness.lose(reason);
    }

    /// Sends a message to all subscribers of `channel`.
    pub(super) async fn publish(&self, channel: &str, message: &[u8]) -> Result<(), Failure> {
        self.ask::<Value>(cmd(self.0.commands.publish).arg(channel).arg(message)).await.map(drop)
    }

    /// The number of subscribers.
    pub(super) async fn count(&self, channel: &str) -> Result<u16, Failure> {
        let counts = cmd("PUBSUB").arg(self.0.commands.count).arg(channel).to_owned();
        let (_, count): (String, u16) = self.ask(&counts).await?;
        Ok(count)
    }

    /// Hears something from a server that lives.
    pub(super) async fn ping(&self) -> Result<(), Failure> {
        self.ask::<Value>(&cmd("PING")).await.map(drop)
    }

    pub(super) async fn subscribe(&self, channels: &[String]) -> Result<(), Failure> {
        self.for_each(self.0.commands.subscribe, channels).await
    }

    pub(super) async fn unsubscribe(&self, channels: &[String]) -> Result<(), Failure> {
        self.0.liveness.leave(channels);
        let answered = self.for_each(self.0.commands.unsubscribe, channels).await;
        // What the server says of it comes before its answer; of what it refused, nothing comes.
        self.0.liveness.left(channels);
        answered
    }

    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Failure> {
        let mut connection = self.0.connection.clone();
        self.answer(command.query_async(&mut connection)).await
    }

    /// One command per channel: each is answered once, and the channels of one node of a cluster
    /// belong to several slots.
    async fn for_each(&self, verb: &str, channels: &[String]) -> Result<(), Failure> {
        if channels.is_empty() {
            return Ok(());
        }
        let mut commands = pipe();
        for channel in channels {
            commands.cmd(verb).arg(channel);
        }
        let mut connection = self.0.connection.clone();
        self.answer(commands.query_async::<Vec<Value>>(&mut connection)).await.map(drop)
    }

    /// Waits for an answer as long as the server lives, and no longer than is reasonable.
    async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, Failure> {
        let mut answer = pin!(answer);
        let until = Instant::now() + RESPONSE_TIMEOUT;
        let mut beats = self.0.liveness.beats();
        let mut silent = 0;
        loop {
            let answered = timeout(SILENCE_TIMEOUT / MOMENTS, async {
                tokio::select! {
                    biased;
                    answer = &mut answer => Some(answer),
                    () = self.0.liveness.lost() => None,
                }
            });
            match answered.await {
                Ok(Some(answer)) => return self.judge(answer),
                Ok(None) => return Err(Failure::Lost),
                Err(_) if Instant::now() >= until => return Err(Failure::Late),
                Err(_) => {}
            }
            let before = mem::replace(&mut beats, self.0.liveness.beats());
            silent = if beats == before { silent + 1 } else { 0 };
            if silent == MOMENTS {
                self.lose(format!("no answer within {} seconds", SILENCE_TIMEOUT.as_secs()));
                return Err(Failure::Lost);
            }
        }
    }

    fn judge<T>(&self, answer: Result<T, RedisError>) -> Result<T, Failure> {
        match answer {
            Err(error) if error.kind() == MOVED => {
                self.lose("the bus's hash slot is on another node");
                Err(Failure::Lost)
            }
            Err(error) if error.is_unrecoverable_error() => {
                self.lose(self.0.server.without_password(&error));
                Err(Failure::Lost)
            }
            answer => {
                self.0.liveness.beat();
                answer.map_err(Failure::Refused)
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({})", self.0.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backlog::Backlogs;
    use crate::health::HealthReporter;
    use crate::redis::RedisUrls;
    use crate::redis::fake::Fake;
    use crate::redis::losses::Losses;

    #[tokio::test]
    async fn channels_that_were_left_are_forgotten() {
        for commands in [Commands::PLAIN, Commands::SHARDED] {
            let fake = Fake::start().await;
            let urls: RedisUrls = format!("redis://127.0.0.1:{}", fake.port()).parse().unwrap();
            let losses = Arc::new(Losses::new(HealthReporter::default()));
            let receive_queues = Arc::new(ReceiveQueues::new(losses, &Backlogs::default()));
            let link = Connection::open(urls.first(), commands, receive_queues).await.unwrap();
            let channels = ["a".to_owned(), "b".to_owned()];
            link.subscribe(&channels).await.unwrap();
            link.unsubscribe(&channels).await.unwrap();
            assert_eq!(link.0.liveness.leaving(), 0);
            link.ping().await.unwrap();
        }
    }
}
