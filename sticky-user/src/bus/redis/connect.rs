//! Connecting to Redis, and what to make of it where that fails.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ErrorKind, InfoDict, ProtocolVersion, RedisError,
    ServerErrorKind,
};
use socketioxide_redis::drivers::redis::RedisDriver;
use tokio::time::timeout;

use super::RedisUrl;
use crate::bus::Error;

/// How long the server may take to answer. A local one needs milliseconds.
const LIMIT: Duration = Duration::from_secs(3);

/// The first major version that the adapter's protocol is made for.
const OLDEST: u32 = 7;

impl RedisUrl {
    /// Connects once, to tell whether the bus can run over this server: it answers, accepts the
    /// password and is of version 7 or later.
    pub async fn check(&self) -> Result<(), Error> {
        let version = self.within_limit(self.version()).await?;
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        match major {
            Some(major) if major >= OLDEST => Ok(()),
            Some(_) => Err(Error::TooOld { url: self.to_string(), version }),
            None => Err(self.unusable("it does not tell its version")),
        }
    }

    /// Connects for the adapter, which needs pushed messages and so the newer protocol.
    pub(in crate::bus) async fn driver(&self) -> Result<RedisDriver, Error> {
        self.within_limit(async { RedisDriver::new(&self.client(ProtocolVersion::RESP3)?).await })
            .await
    }

    /// The server's version, asked in the older protocol: a server that does not know the newer
    /// one would quote the password in its answer.
    async fn version(&self) -> Result<String, RedisError> {
        // The limit is on the whole; the library's own are shorter.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let client = self.client(ProtocolVersion::RESP2)?;
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let info: InfoDict = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        Ok(info.get("redis_version").unwrap_or_default())
    }

    fn client(&self, protocol: ProtocolVersion) -> Result<Client, RedisError> {
        let settings = self.server.redis_settings().clone().set_protocol(protocol);
        Client::open(self.server.clone().set_redis_settings(settings))
    }

    async fn within_limit<T>(
        &self,
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, Error> {
        let Ok(answer) = timeout(LIMIT, answer).await else {
            let reason = format!("no answer within {} seconds", LIMIT.as_secs());
            return Err(Error::Unreachable { url: self.to_string(), reason });
        };
        answer.map_err(|error| self.explain(&error))
    }

    /// The library's error itself is not passed on: it may quote what was sent.
    fn explain(&self, error: &RedisError) -> Error {
        let url = self.to_string();
        match error.kind() {
            ErrorKind::Io => Error::Unreachable { url, reason: self.without_password(error) },
            ErrorKind::AuthenticationFailed => Error::PasswordRefused { url },
            ErrorKind::Server(ServerErrorKind::NoPerm) => {
                Error::Forbidden { url, reason: self.without_password(error) }
            }
            _ => match error.code() {
                Some("NOAUTH") => Error::PasswordMissing { url },
                Some("WRONGPASS") => Error::PasswordRefused { url },
                _ => self.unusable(&self.without_password(error)),
            },
        }
    }

    fn without_password(&self, error: &RedisError) -> String {
        let text = error.to_string();
        match self.server.redis_settings().password() {
            Some(password) if !password.is_empty() => text.replace(password, "***"),
            _ => text,
        }
    }

    fn unusable(&self, reason: &str) -> Error {
        Error::Unusable { url: self.to_string(), reason: reason.to_owned() }
    }
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
