//! A Redis server of one's own.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::addresses::free_port;
use crate::output::Output;
use crate::wait_until;

/// A running `redis-server`, which keeps nothing.
#[derive(Debug)]
pub struct Redis {
    process: Child,
    port: u16,
    password: Option<String>,
    _folder: TempDir,
}

impl Redis {
    /// Starts one.
    pub fn start() -> Self {
        Self::launch(None)
    }

    /// Starts one that wants a password.
    pub fn with_password(password: &str) -> Self {
        Self::launch(Some(password))
    }

    fn launch(password: Option<&str>) -> Self {
        // Another test run may take the port first; then it ends, and the next port is tried.
        wait_until("a port for Redis", || Self::launch_at(free_port(), password))
    }

    fn launch_at(port: u16, password: Option<&str>) -> Option<Self> {
        let folder = TempDir::with_prefix("sticky-test-").expect("a temporary folder");
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(folder.path());
        command.arg("--unixsocket").arg(folder.path().join("redis.sock"));
        if let Some(password) = password {
            command.args(["--requirepass", password]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("redis-server is installed");
        let output = Output::of(process.stdout.take().expect("stdout is a pipe"));
        let password = password.map(str::to_owned);
        let redis = Self { process, port, password, _folder: folder };
        let ready = |line: &str| line.contains("Ready to accept connections").then_some(());
        output.wait_for("Redis is ready", ready).map(|()| redis)
    }

    /// What to give to `--redis`.
    pub fn url(&self) -> String {
        let mut url = "redis://".to_owned();
        if let Some(password) = &self.password {
            let _ = write!(url, ":{password}@");
        }
        let _ = write!(url, "127.0.0.1:{}/", self.port);
        url
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
