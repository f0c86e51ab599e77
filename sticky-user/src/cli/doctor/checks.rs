//! The questions, one function each.

use std::fs;
use std::io;

use rustix::process::{Resource, getrlimit};
use rustix::system::uname;
use rustix::thread::{CapabilitySet, capabilities};

use super::{Answer, Check};
use crate::causes;
use crate::steering::{self, Mode};
use sticky_bus::RedisUrls;

/// Each client takes one descriptor of its worker: with fewer than this, a busy worker runs out.
const FEW_OPEN_FILES: u64 = 10_000;

/// What `sticky run` asks for unless told otherwise.
const BACKLOG: u64 = 4096;

/// Whether a mode works, by using it.
pub(super) fn mode(mode: Mode) -> Check {
    let name = format!("mode {mode}");
    match steering::probe(mode) {
        Ok(()) => Check { name, answer: Answer::Yes, detail: what_a_mode_gives(mode).into() },
        Err(error) => {
            Check { name, answer: answer_of(&error), detail: causes::on_one_line(&error) }
        }
    }
}

fn what_a_mode_gives(mode: Mode) -> &'static str {
    match mode {
        Mode::Ebpf => "the kernel picks the listener, and counts",
        Mode::Cbpf => "the kernel picks the listener; it does not count, nor refuse while draining",
        Mode::FdPassing => "the supervisor accepts and passes on; while none runs, clients wait",
    }
}

/// "No" only where the kernel or the build said so; whatever else failed tells nothing.
fn answer_of(error: &steering::Error) -> Answer {
    use steering::Error::{Load, Missing, NoCapBpf, NotBuilt, Program};
    let short_of = |error: &io::Error| {
        matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
    };
    match error {
        _ if causes::chain(error).filter_map(|it| it.downcast_ref()).any(short_of) => {
            Answer::Unknown
        }
        NotBuilt | NoCapBpf(_) | Load(_) | Missing(_) | Program { .. } => Answer::No,
        _ => Answer::Unknown,
    }
}

/// What does not depend on the mode.
pub(super) fn host() -> Vec<Check> {
    vec![
        capability("CAP_BPF", CapabilitySet::BPF, "mode ebpf"),
        capability("CAP_NET_BIND_SERVICE", CapabilitySet::NET_BIND_SERVICE, "ports below 1024"),
        open_files(),
        somaxconn(),
        jit(),
    ]
}

fn capability(name: &str, wanted: CapabilitySet, needed_for: &str) -> Check {
    let (answer, detail) = match capabilities(None) {
        Ok(sets) if sets.effective.contains(wanted) => (Answer::Yes, needed_for.into()),
        Ok(_) => {
            let grant = name.to_lowercase();
            let detail = format!(
                "needed for {needed_for}: run as root, or `setcap {grant}+ep` on the binary"
            );
            (Answer::No, detail)
        }
        Err(error) => (Answer::Unknown, format!("cannot read the capabilities: {error}")),
    };
    Check { name: name.into(), answer, detail }
}

fn open_files() -> Check {
    // The soft limit does not matter: `sticky run` raises it to the hard one.
    let limit = getrlimit(Resource::Nofile).maximum;
    let (answer, detail) = match limit {
        Some(limit) if limit < FEW_OPEN_FILES => (
            Answer::No,
            format!(
                "{limit}, so few clients per worker; raise it: `ulimit -Hn 100000` as root, or LimitNOFILE= in the unit"
            ),
        ),
        Some(limit) => (Answer::Yes, format!("{limit}, one for each client of a worker")),
        None => (Answer::Yes, "no limit".into()),
    };
    Check { name: "open files".into(), answer, detail }
}

fn somaxconn() -> Check {
    sysctl("somaxconn", "/proc/sys/net/core/somaxconn", |value| {
        if value < BACKLOG {
            let detail = format!(
                "{value} connections may wait for a worker, of {BACKLOG} that --backlog asks for; \
                 raise it: `sysctl net.core.somaxconn={BACKLOG}`"
            );
            return (Answer::No, detail);
        }
        (Answer::Yes, format!("{value} connections may wait for a worker"))
    })
}

fn jit() -> Check {
    sysctl("BPF JIT", "/proc/sys/net/core/bpf_jit_enable", |value| {
        if value == 0 {
            let detail = "programs are interpreted, which is slower; \
                          switch it on: `sysctl net.core.bpf_jit_enable=1`";
            return (Answer::No, detail.into());
        }
        (Answer::Yes, "programs run as machine code".into())
    })
}

fn sysctl(name: &str, path: &str, judge: impl FnOnce(u64) -> (Answer, String)) -> Check {
    let value = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
    let unknown = || {
        (
            Answer::Unknown,
            format!(
                "cannot read {path}: /proc is not mounted, or this is a container, which does not show it"
            ),
        )
    };
    let (answer, detail) = value.map_or_else(unknown, judge);
    Check { name: name.into(), answer, detail }
}

/// Whether the Redis server can be used.
pub(super) async fn redis(urls: &RedisUrls) -> Check {
    let (answer, detail) = match urls.check().await {
        Ok(()) => (Answer::Yes, urls.to_string()),
        Err(error) => (Answer::No, causes::on_one_line(&error)),
    };
    Check { name: "Redis".into(), answer, detail }
}

/// The kernel's name and release.
pub(super) fn kernel() -> String {
    let names = uname();
    let [system, release, machine] =
        [names.sysname(), names.release(), names.machine()].map(|name| name.to_string_lossy());
    format!("{system} {release} {machine}")
}
