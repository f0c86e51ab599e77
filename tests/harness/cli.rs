//! Commands of sticky that end by themselves.

use std::ffi::OsString;
use std::io::Write as _;
use std::net::IpAddr;
use std::process::{Child, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::marker::Marker;
use crate::output::Output;
use crate::rights::User;
use crate::sticky::{Ended, Sticky};
use crate::{binaries, wait_until};

/// What a person types after `sticky`, and where.
#[derive(Debug, Default)]
pub struct Cli {
    args: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    stdin: String,
    user: User,
    open_files: Option<u32>,
    without_proc_net: bool,
}

impl Cli {
    /// A subcommand with its arguments.
    pub fn new(args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self::default().args(args)
    }

    /// More arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// A variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// What comes over standard input.
    #[must_use]
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = text.into();
        self
    }

    /// Who types it.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    /// The largest number of open files.
    #[must_use]
    pub fn open_files(mut self, limit: u32) -> Self {
        self.open_files = Some(limit);
        self
    }

    /// Where the kernel's tables of sockets cannot be read; needs root.
    #[must_use]
    pub fn without_proc_net(mut self) -> Self {
        self.without_proc_net = true;
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Ended {
        let folder = TempDir::with_prefix("sticky-test-").expect("a temporary folder");
        let binary = binaries::sticky_for(self.user, folder.path());
        let mut command = match self.open_files {
            None if self.without_proc_net => {
                let hide = "mount -t tmpfs none /proc/$$/net && exec \"$0\" \"$@\"";
                let mut command = self.user.command("unshare");
                command.args(["--mount", "sh", "-c", hide]).arg(binary);
                command
            }
            None => self.user.command(binary),
            Some(limit) => {
                let mut command = self.user.command("prlimit");
                command.arg(format!("--nofile={limit}:{limit}")).arg("--").arg(binary);
                command
            }
        };
        Marker::new().put_on(&mut command);
        command.args(&self.args).envs(self.environment);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running(command.spawn().expect("sticky can be executed"));
        let process = &mut running.0;
        let stdout = Output::of(process.stdout.take().expect("stdout is a pipe"));
        let stderr = Output::of(process.stderr.take().expect("stderr is a pipe"));
        let mut stdin = process.stdin.take().expect("stdin is a pipe");
        // It need not read what it does not want.
        let _ = stdin.write_all(self.stdin.as_bytes());
        drop(stdin);
        let status = wait_until("a command ends", || process.try_wait().expect("it is our child"));
        stdout.wait_for_end();
        stderr.wait_for_end();
        Ended { code: status.code(), stdout: stdout.text(), stderr: stderr.text() }
    }

    /// Runs it: it succeeds, complains of nothing, and prints this.
    #[track_caller]
    pub fn prints(self) -> String {
        let Ended { code, stdout, stderr } = self.run();
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        stdout
    }

    /// Runs it with `--json`: it succeeds, and prints this.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(self) -> T {
        let text = self.args(["--json"]).prints();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `sticky which --json` tells of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "named as in the JSON, which the product documents")]
pub struct Which {
    pub ip: IpAddr,
    pub key: u64,
    pub slot: u32,
}

impl Sticky {
    /// The slot of each client, as `sticky which` tells of this supervisor.
    pub fn which<A: Copy + Into<IpAddr>>(&self, clients: &[A]) -> Vec<u32> {
        let clients: Vec<IpAddr> = clients.iter().map(|&client| client.into()).collect();
        let command = Cli::new(["which", "--control"]).args([self.control()]);
        let answers: Vec<Which> = command.args(clients.iter().map(IpAddr::to_string)).json();
        let told: Vec<IpAddr> = answers.iter().map(|answer| answer.ip).collect();
        assert_eq!(told, clients, "each client, in order");
        answers.into_iter().map(|answer| answer.slot).collect()
    }
}
