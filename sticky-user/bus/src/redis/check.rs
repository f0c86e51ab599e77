//! Whether the bus can run over what the URLs name.

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, InfoDict, ProtocolVersion, cmd};
use tracing::warn;

use super::commands::Commands;
use super::error::RedisBusError;
use super::server::Server;
use super::urls::RedisUrls;

/// The first major version that the adapter's protocol is made for.
const OLDEST: u32 = 7;

/// A channel whose name ends so is allowed to every user that may use the adapter's own; no worker listens to it.
const CHANNEL: &str = "-request#/#check#";

/// What a node of a cluster answers for a channel that another one carries.
const ELSEWHERE: &[&str] = &["MOVED", "ASK", "TRYAGAIN"];

impl RedisUrls {
    /// Connects once, to tell whether the bus can run over it: it answers, accepts the password,
    /// is of version 7 or later, and lets the user publish and subscribe. Of a cluster's nodes one
    /// has to answer, and has to find the cluster well.
    ///
    /// # Errors
    ///
    /// None can be reached, or one that can does not satisfy the bus; the error says in what, and what to
    /// do.
    pub async fn check(&self) -> Result<(), RedisBusError> {
        let mut unreachable = Vec::new();
        for server in self.servers() {
            match Check::of(server, self.is_cluster()).await {
                Err(error) if error.is_passing() => unreachable.push(error),
                result => result?,
            }
        }
        if unreachable.len() < self.servers().count() {
            for error in unreachable {
                warn!("{error}");
            }
            return Ok(());
        }
        unreachable.into_iter().next().map_or(Ok(()), Err)
    }
}

struct Check<'a> {
    server: &'a Server,
    connection: MultiplexedConnection,
}

impl<'a> Check<'a> {
    async fn of(server: &'a Server, cluster: bool) -> Result<(), RedisBusError> {
        // The older protocol: a server that does not know the newer one would quote the password
        // in its answer.
        let config = AsyncConnectionConfig::new();
        let connection = server.connect(ProtocolVersion::RESP2, config).await?;
        let mut check = Self { server, connection };
        check.version().await?;
        if cluster {
            check.cluster().await?;
        }
        check.rights(if cluster { Commands::SHARDED } else { Commands::PLAIN }).await
    }

    async fn version(&mut self) -> Result<(), RedisBusError> {
        let info: InfoDict = self.ask(cmd("INFO").arg("server")).await?;
        let url = self.server.to_string();
        let Some(version) = info.get::<String>("redis_version") else {
            return Err(RedisBusError::Unusable {
                url,
                reason: "it does not tell its version".into(),
            });
        };
        match version.split('.').next().and_then(|major| major.parse::<u32>().ok()) {
            Some(major) if major >= OLDEST => Ok(()),
            Some(_) => Err(RedisBusError::TooOld { url, version }),
            None => Err(RedisBusError::Unusable {
                url,
                reason: format!("it is of version {version:?}"),
            }),
        }
    }

    async fn cluster(&mut self) -> Result<(), RedisBusError> {
        let url = || self.server.to_string();
        let info: Result<InfoDict, _> = self.ask(cmd("CLUSTER").arg("INFO")).await;
        let info = match info {
            Err(RedisBusError::Unusable { reason, .. })
                if reason.contains("cluster support disabled") =>
            {
                return Err(RedisBusError::NoCluster { url: url() });
            }
            info => info?,
        };
        let told = |name: &str| info.get::<String>(name).unwrap_or_default();
        if told("cluster_state") == "ok" {
            return Ok(());
        }
        Err(RedisBusError::ClusterDown { url: url(), served: told("cluster_slots_ok") })
    }

    /// Asks for what the bus will ask for: a user that lacks a right learns it here.
    async fn rights(&mut self, commands: Commands) -> Result<(), RedisBusError> {
        let channel = format!("{}{CHANNEL}", commands.prefix);
        self.allowed(cmd("PUBSUB").arg(commands.count).arg(&channel)).await?;
        self.allowed(cmd(commands.publish).arg(&channel).arg("")).await?;
        // The last one: in the older protocol, nothing else can be asked from then on.
        self.allowed(cmd(commands.subscribe).arg(&channel)).await
    }

    async fn allowed(&mut self, command: &Cmd) -> Result<(), RedisBusError> {
        let connection = &mut self.connection;
        let answer = async {
            match connection.req_packed_command(command).await?.extract_error() {
                Err(error) if error.code().is_some_and(|code| ELSEWHERE.contains(&code)) => Ok(()),
                answer => answer.map(drop),
            }
        };
        self.server.within_limit(answer).await
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, RedisBusError> {
        self.server.within_limit(command.query_async(&mut self.connection)).await
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
