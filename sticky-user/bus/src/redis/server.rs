//! One Redis server: how it is connected to, and what to make of it where that fails.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, ProtocolVersion,
    RedisError, ServerErrorKind, TlsCertificates,
};
use tokio::time::timeout;

use super::error::RedisBusError;

/// How long a server may take to answer a worker that connects. A local one needs milliseconds.
const LIMIT: Duration = Duration::from_secs(3);

/// A server's address, and what it wants to be told first. Displayed without the password.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) info: ConnectionInfo,
}

impl Server {
    pub(super) fn new(info: ConnectionInfo) -> Self {
        // Messages are small and wait for no others.
        let settings = info.tcp_settings().clone().set_nodelay(true);
        Self { info: info.set_tcp_settings(settings) }
    }

    /// Trusts these authorities alone; `None` where they cannot be read.
    pub(super) fn with_authorities(&self, pem: &[u8]) -> Option<Self> {
        if !self.is_tls() {
            return Some(self.clone());
        }
        // The library takes a text without any certificate for an empty list.
        if !pem.windows(PEM.len()).any(|part| part == PEM) {
            return None;
        }
        let trusted = TlsCertificates { client_tls: None, root_cert: Some(pem.into()) };
        let client = Client::build_with_tls(self.info.clone(), trusted).ok()?;
        Some(Self { info: client.get_connection_info().clone() })
    }

    /// Another server, which is reached in the same way.
    pub(super) fn at(&self, host: &str, port: u16) -> Self {
        let host = host.to_owned();
        let address = match self.info.addr().clone() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        Self { info: self.info.clone().set_addr(address) }
    }

    /// Its host, which a node of a cluster does not tell when it knows no better one.
    pub(super) fn host(&self) -> &str {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
            _ => "",
        }
    }

    /// Connects, within a limit of time.
    pub(super) async fn connect(
        &self,
        protocol: ProtocolVersion,
        config: AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, RedisBusError> {
        if self.is_tls() {
            // Fails where the program has chosen another before, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let settings = self.info.redis_settings().clone().set_protocol(protocol);
        let info = self.info.clone().set_redis_settings(settings);
        // The limit is on the whole; the library's own are on parts of it, and shorter.
        let config = config.set_connection_timeout(None).set_response_timeout(None);
        self.within_limit(async {
            Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await
        })
        .await
    }

    /// Waits for an answer as long as is reasonable.
    pub(super) async fn within_limit<T>(
        &self,
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisBusError> {
        let Ok(answer) = timeout(LIMIT, answer).await else {
            let hint = if self.is_tls() { " (does that port speak TLS?)" } else { "" };
            let reason = format!("no answer within {} seconds{hint}", LIMIT.as_secs());
            return Err(RedisBusError::Unreachable { url: self.to_string(), reason });
        };
        answer.map_err(|error| self.explain(&error))
    }

    /// The library's error itself is not passed on: it may quote what was sent.
    pub(super) fn explain(&self, error: &RedisError) -> RedisBusError {
        let url = self.to_string();
        let reason = self.without_password(error);
        match error.kind() {
            ErrorKind::Io if self.is_tls() && is_of_tls(error) => {
                RedisBusError::NotSecure { url, reason }
            }
            ErrorKind::Io => RedisBusError::Unreachable { url, reason },
            ErrorKind::AuthenticationFailed => RedisBusError::PasswordRefused { url },
            ErrorKind::Server(ServerErrorKind::NoPerm) => RedisBusError::Forbidden { url, reason },
            _ => match error.code() {
                Some("NOAUTH") => RedisBusError::PasswordMissing { url },
                Some("WRONGPASS") => RedisBusError::PasswordRefused { url },
                _ => RedisBusError::Unusable { url, reason },
            },
        }
    }

    pub(super) fn without_password(&self, error: &RedisError) -> String {
        let text = error.to_string();
        match self.info.redis_settings().password() {
            Some(password) if !password.is_empty() => text.replace(password, "***"),
            _ => text,
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.info.addr(), ConnectionAddr::TcpTls { .. })
    }
}

const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// What rustls says comes wrapped up as an error of input or output; and a server that does not
/// know TLS may simply go.
fn is_of_tls(error: &RedisError) -> bool {
    let error = error
        .source()
        .and_then(|error| error.downcast_ref::<Arc<dyn StdError + Send + Sync>>())
        .and_then(|error| error.downcast_ref::<io::Error>());
    error.is_some_and(|error| {
        error.kind() == io::ErrorKind::UnexpectedEof
            || error.get_ref().is_some_and(<dyn StdError + Send + Sync>::is::<rustls::Error>)
    })
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.info.redis_settings();
        let database = settings.db();
        let user = settings.username().unwrap_or_default();
        if let ConnectionAddr::Unix(path) = self.info.addr() {
            write!(f, "unix://{}?db={database}", path.display())?;
            return match settings.password() {
                Some(_) => write!(f, "&user={user}&pass=***"),
                None => Ok(()),
            };
        }
        f.write_str(if self.is_tls() { "rediss://" } else { "redis://" })?;
        if settings.password().is_some() {
            write!(f, "{user}:***@")?;
        }
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                if host.contains(':') {
                    write!(f, "[{host}]:{port}")?;
                } else {
                    write!(f, "{host}:{port}")?;
                }
            }
            address => write!(f, "{address}")?,
        }
        write!(f, "/{database}")
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({self})")
    }
}
