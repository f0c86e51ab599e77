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
    options: Vec<String>,
    password: Option<String>,
    folder: TempDir,
}

impl Redis {
    /// Starts one.
    pub fn start() -> Self {
        Self::launch(&["--bind", "127.0.0.1"], None)
    }

    /// Starts one that wants a password.
    pub fn with_password(password: &str) -> Self {
        Self::launch(&["--bind", "127.0.0.1", "--requirepass", password], Some(password))
    }

    /// Starts one that everybody in its network may use.
    pub fn for_everybody() -> Self {
        Self::launch(&["--bind", "0.0.0.0", "--protected-mode", "no"], None)
    }

    /// Starts a node of a cluster that is still to be made.
    pub(crate) fn node(host: &str) -> Self {
        let bus = free_port().to_string();
        let bind = ["--bind", host, "--cluster-announce-ip", host];
        let cluster =
            ["--protected-mode", "no", "--cluster-enabled", "yes", "--cluster-port", &bus];
        Self::launch(&[&bind[..], &cluster].concat(), None)
    }

    fn launch(options: &[&str], password: Option<&str>) -> Self {
        let password = password.map(str::to_owned);
        // Another test run may take the port first; then it ends, and the next port is tried.
        wait_until("a port for Redis", || {
            let folder = TempDir::with_prefix("sticky-test-").expect("a temporary folder");
            let options: Vec<String> = options.iter().map(|&option| option.into()).collect();
            let port = free_port();
            let process = run(&options, &folder, port)?;
            Some(Self { process, port, options, password: password.clone(), folder })
        })
    }

    /// Ends it, as a crash does.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again at the same place.
    pub fn start_again(&mut self) {
        self.process = run(&self.options, &self.folder, self.port).expect("the port is free again");
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Gives it a command, and what it answers.
    pub(crate) fn command(&self, host: &str, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-h", host, "-p", &self.port.to_string()]).args(words);
        let output = command.output().expect("redis-cli is installed with the server");
        String::from_utf8_lossy(&output.stdout).into_owned()
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
        self.kill();
    }
}

/// `None` when it ends before it is ready.
fn run(options: &[String], folder: &TempDir, port: u16) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args(options).args(["--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(folder.path());
    command.arg("--unixsocket").arg(folder.path().join("redis.sock"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().expect("redis-server is installed");
    let output = Output::of(process.stdout.take().expect("stdout is a pipe"));
    let ready = |line: &str| line.contains("Ready to accept connections").then_some(());
    let ready = output.wait_for("Redis is ready", ready);
    if ready.is_none() {
        let _ = process.wait();
    }
    ready.map(|()| process)
}
