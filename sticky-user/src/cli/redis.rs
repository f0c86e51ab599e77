//! The options that name the Redis server.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::Failure;
use sticky_bus::RedisUrls;
use sticky_contract::variable;

#[derive(Debug, Args)]
pub(super) struct RedisArgs {
    /// The Redis server, 7.0 or later, that carries broadcasts between workers, also across hosts
    ///
    /// redis://[user:password@]host[:port][/database], rediss:// for TLS, unix:///path/of.sock.
    /// Given more than once, or as redis-cluster://, it names nodes of a Redis Cluster. The command
    /// line is visible to every user of the host: with a password, better use the variable, which
    /// takes several URLs with commas between them.
    #[arg(long, value_name = "URL", env = variable::REDIS, hide_env_values = true)]
    #[arg(value_delimiter = ',')]
    redis: Vec<String>,

    /// The authorities to trust for rediss:// (PEM), instead of those that browsers trust
    #[arg(long, value_name = "FILE", env = variable::REDIS_CA)]
    redis_ca: Option<PathBuf>,
}

impl RedisArgs {
    /// What they name.
    pub(super) fn urls(&self) -> Result<Option<RedisUrls>, Failure> {
        // An empty variable stands for none.
        if self.redis.iter().all(String::is_empty) {
            return Ok(None);
        }
        let urls: Result<RedisUrls, _> = self.redis.join(",").parse();
        let urls = urls.map_err(|error| Failure::Usage(Box::new(error)))?;
        match &self.redis_ca {
            Some(file) => Ok(Some(urls.with_authorities_of(file)?)),
            None => Ok(Some(urls)),
        }
    }

    /// The same for the workers.
    pub(super) fn environment(self) -> impl Iterator<Item = (String, OsString)> {
        let urls = (!self.redis.iter().all(String::is_empty)).then(|| self.redis.join(",").into());
        let urls = urls.map(|urls| (variable::REDIS.into(), urls));
        let authorities = self.redis_ca.map(|file| (variable::REDIS_CA.into(), file.into()));
        urls.into_iter().chain(authorities)
    }
}
