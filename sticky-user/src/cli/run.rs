//! `sticky run`: the supervisor.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use sticky_contract::variable;
use sticky_ebpf::{Ipv6Prefix, MAX_SLOTS, Mapping, SlotCount};
use tracing::{info, warn};

use super::log::LogArgs;
use super::redis::RedisArgs;
use super::values::{OrOff, address, duration, duration_or_off, size};
use super::{Failure, block_on};
use crate::output;
use crate::steering::{ModeChoice, Plan};
use crate::supervisor::backoff::Backoff;
use crate::supervisor::status::Status;
use crate::supervisor::{self, Settings, User, upgrade};
use sticky_bus::RedisUrls;
use sticky_worker::throttle::Throttle;

/// Serve one port with N workers
///
/// Opens the port, starts the workers, and keeps them running. SIGTERM or Ctrl-C ends it: no new
/// connections, workers drain; a second one ends it at once. SIGHUP replaces the workers, as
/// `sticky reload` does. Where workers of a supervisor that was killed serve the port, it takes over
/// from them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address to listen on; port 0 takes a free one, [::] serves IPv4 as well
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:3000", env = "STICKY_LISTEN")]
    #[arg(value_parser = address)]
    listen: SocketAddr,

    /// The number of workers, 1 to 256 [default: one per processor]
    #[arg(long, value_name = "N", env = "STICKY_WORKERS")]
    workers: Option<SlotCount>,

    /// How connections get to their workers: auto, ebpf, cbpf or fd-passing
    #[arg(long, default_value = "auto", env = "STICKY_MODE")]
    mode: ModeChoice,

    #[command(flatten)]
    redis: RedisArgs,

    /// The control socket; its directory is made, and is for this supervisor alone. Root's must not be
    /// where another user can write
    #[arg(long, value_name = "PATH", env = "STICKY_CONTROL")]
    control: Option<PathBuf>,

    /// How many leading bits of an IPv6 address tell one client from another, 0 to 128
    #[arg(long, value_name = "BITS", default_value = "64", env = "STICKY_IPV6_PREFIX")]
    ipv6_prefix: Ipv6Prefix,

    /// How many connections may wait for each worker; the kernel allows net.core.somaxconn
    #[arg(long, value_name = "CONNECTIONS", default_value = "4096", env = "STICKY_BACKLOG")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    backlog: u16,

    /// How long a worker may take until it is ready
    #[arg(long, value_name = "TIME", default_value = "30s", env = "STICKY_READY_TIMEOUT")]
    #[arg(value_parser = duration)]
    ready_timeout: Duration,

    /// How long a worker may take to finish when it is told to end
    #[arg(long, value_name = "TIME", default_value = "10s", env = "STICKY_DRAIN_TIMEOUT")]
    #[arg(value_parser = duration)]
    drain_timeout: Duration,

    /// How much may wait for each client, such as 2M: who sends more to it is held back until it has read,
    /// and it is disconnected when that takes 10s
    #[arg(long, value_name = "SIZE", default_value = "2M", env = variable::CLIENT_BUFFER)]
    #[arg(value_parser = size)]
    client_buffer: u32,

    /// How many connections each worker has at most; at the limit those that are idle are closed, and
    /// new clients wait until one ends [default: as many as the limit of open files allows]
    #[arg(long, value_name = "N", env = variable::MAX_CONNECTIONS)]
    max_connections: Option<NonZero<u32>>,

    /// How long a slot waits when its worker dies; doubled with each death in a row
    #[arg(long, value_name = "TIME", default_value = "100ms", env = "STICKY_RESTART_DELAY")]
    #[arg(value_parser = duration)]
    restart_delay: Duration,

    /// The longest such wait
    #[arg(long, value_name = "TIME", default_value = "10s", env = "STICKY_RESTART_DELAY_MAX")]
    #[arg(value_parser = duration)]
    restart_delay_max: Duration,

    /// A worker that was ready for as long counts as well again: its death is not one more in a row
    #[arg(long, value_name = "TIME", default_value = "1s", env = "STICKY_RESTART_WINDOW")]
    #[arg(value_parser = duration)]
    restart_window: Duration,

    /// How long a slot may be without a worker until others serve its clients; off: for ever
    #[arg(long, value_name = "TIME", default_value = "10s", env = "STICKY_FAILOVER_AFTER")]
    #[arg(value_parser = duration_or_off)]
    failover_after: OrOff,

    /// How long a worker may be silent that says WATCHDOG=1, until it is killed; off: for ever
    #[arg(long, value_name = "TIME", default_value = "10s", env = "STICKY_WATCHDOG")]
    #[arg(value_parser = duration_or_off)]
    watchdog: OrOff,

    /// The user that workers run as, without any capability; the supervisor has to be root
    #[arg(long, value_name = "NAME", env = "STICKY_USER")]
    user: Option<User>,

    /// Log every decision: the client's key, and its slot
    #[arg(long, env = "STICKY_LOG_STEERING", value_parser = FalseyValueParser::new())]
    log_steering: bool,

    #[command(flatten)]
    log: LogArgs,

    /// The worker's program and its arguments [default: the reference application, a chat]
    ///
    /// A program gets its listener as LISTEN_FDS and says READY=1 to NOTIFY_SOCKET, as under systemd.
    /// Without one, the chat is served to everybody who reaches the address of --listen, which by
    /// default is every address of the host.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Args {
    pub(super) fn run(self) -> Result<(), Failure> {
        self.log.init(Throttle::SUPERVISOR);
        let redis = self.redis.urls()?;
        let settings = self.into_settings()?;
        block_on(async {
            let bus = match &redis {
                Some(redis) => {
                    check(redis).await?;
                    redis.to_string()
                }
                None => "the embedded bus".into(),
            };
            if settings.command.is_empty() {
                info!("broadcasts cross workers over {bus}");
            } else {
                // Whether a program of somebody's uses it is not known.
                info!("workers are offered {bus} for their broadcasts");
            }
            supervisor::run(&settings, |status| announce(&settings, status)).await?;
            Ok(())
        })?
    }

    /// What they ask for.
    pub(super) fn into_settings(self) -> Result<Settings, Failure> {
        let embedded_bus = self.redis.urls()?.is_none();
        let workers = self.workers.unwrap_or_else(one_per_processor);
        let mut environment = vec![("STICKY_LOG".to_string(), self.log.level().into())];
        environment.extend(self.redis.environment());
        let client_buffer = self.client_buffer.to_string();
        environment.push((variable::CLIENT_BUFFER.into(), client_buffer.into()));
        let limit = self.max_connections.map(|limit| limit.to_string().into());
        environment.extend(limit.map(|limit| (variable::MAX_CONNECTIONS.into(), limit)));
        Ok(Settings {
            plan: Plan {
                listen: self.listen,
                mapping: Mapping::new(workers).with_ipv6_prefix(self.ipv6_prefix),
                backlog: self.backlog,
                log: self.log_steering,
            },
            mode: self.mode,
            command: self.command,
            environment,
            embedded_bus,
            user: self.user,
            control: self.control,
            ready_timeout: self.ready_timeout,
            drain_timeout: self.drain_timeout,
            watchdog: self.watchdog.0,
            failover_after: self.failover_after.0,
            backoff: Backoff {
                first: self.restart_delay,
                most: self.restart_delay_max,
                window: self.restart_window,
            },
        })
    }
}

/// A server whose workers go on under another program shall not end because Redis is away.
async fn check(redis: &RedisUrls) -> Result<(), Failure> {
    match redis.check().await {
        Err(error) if upgrade::is_one() => {
            warn!("{error}; the workers go on without it");
            Ok(())
        }
        checked => Ok(checked?),
    }
}

fn one_per_processor() -> SlotCount {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = u32::try_from(processors).unwrap_or(MAX_SLOTS).min(MAX_SLOTS);
    SlotCount::new(workers).unwrap_or_default()
}

/// The one line on standard output: what scripts wait for.
fn announce(settings: &Settings, status: &Status) {
    let Status { listen, mode, workers, .. } = status;
    if settings.command.is_empty() {
        info!(
            "no command given: serves the reference application, a chat, to everybody who reaches \
             {listen}"
        );
    }
    let plural = if *workers == 1 { "worker" } else { "workers" };
    let line = format!("listening on {listen}, mode {mode}, {workers} {plural}\n");
    // Serving goes on when nobody reads this.
    output::stdout().write(line.as_bytes());
}
