//! How `sticky run` is to be started.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicUsize;

use serde::Deserialize;
use tempfile::TempDir;

use super::{Ended, Sticky};
use crate::marker::Marker;
use crate::output::Output;
use crate::rights::{Right, User, missing};
use crate::{binaries, wait_until};

/// How a connection gets to its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "named as in sticky")]
pub enum Mode {
    Ebpf,
    Cbpf,
    FdPassing,
}

impl Mode {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ebpf => "ebpf",
            Self::Cbpf => "cbpf",
            Self::FdPassing => "fd-passing",
        }
    }

    /// Whether this process lacks the right that the mode needs; says so.
    #[must_use]
    pub fn is_out_of_reach(self) -> bool {
        self == Self::Ebpf && missing(Right::Bpf)
    }
}

/// How `sticky run` is to be started, in a folder of its own.
#[derive(Debug)]
pub struct StickyOptions {
    options: Vec<(&'static str, OsString)>,
    flags: Vec<&'static str>,
    worker: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    user: User,
    unread: bool,
    folder: TempDir,
}

impl StickyOptions {
    pub(super) fn new(mode: Mode, workers: u32) -> Self {
        let folder = TempDir::with_prefix("sticky-test-").expect("a temporary folder");
        let control = folder.path().join("run/control.sock");
        let options = Self {
            options: vec![("--control", control.into())],
            flags: Vec::new(),
            worker: Vec::new(),
            environment: Vec::new(),
            user: User::Same,
            unread: false,
            folder,
        };
        options
            .with("--listen", "127.0.0.1:0")
            .with("--mode", mode.name())
            .with("--workers", workers.to_string())
    }

    /// An option with its value, in place of an earlier one.
    #[must_use]
    pub fn with(mut self, option: &'static str, value: impl Into<OsString>) -> Self {
        self.set(option, value);
        self
    }

    pub(super) fn set(&mut self, option: &'static str, value: impl Into<OsString>) {
        self.options.retain(|(name, _)| *name != option);
        self.options.push((option, value.into()));
    }

    /// An option without a value.
    #[must_use]
    pub fn flag(mut self, flag: &'static str) -> Self {
        self.flags.push(flag);
        self
    }

    /// The workers' program and its arguments, instead of the reference application.
    #[must_use]
    pub fn worker(mut self, command: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.worker = command.into_iter().map(Into::into).collect();
        self
    }

    /// More arguments for the workers' program.
    #[must_use]
    pub fn worker_args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.worker.extend(args.into_iter().map(Into::into));
        self
    }

    /// A variable of the environment, in place of the option that it stands for.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        let option = name.to_lowercase().replace('_', "-");
        self.options.retain(|(name, _)| option.strip_prefix("sticky") != Some(&name[1..]));
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Who runs it.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    /// Nobody reads what it says, and the pipes for that are full.
    #[must_use]
    pub fn unread(mut self) -> Self {
        self.unread = true;
        self
    }

    /// The control socket; neither it nor its folder is there yet.
    pub fn control(&self) -> PathBuf {
        PathBuf::from(self.get("--control"))
    }

    pub(super) fn get(&self, option: &str) -> OsString {
        let found = self.options.iter().find(|(name, _)| *name == option);
        found.expect("it is among the options").1.clone()
    }

    /// Starts it and waits until it says that it serves.
    pub fn start(self) -> Sticky {
        self.spawn().announced()
    }

    /// Starts it and waits until it has ended by itself.
    pub fn fail(self) -> Ended {
        let mut sticky = self.spawn();
        let ended = sticky.ended();
        sticky.assert_nothing_left();
        ended
    }

    /// Starts it and waits for nothing.
    pub fn spawn(self) -> Sticky {
        let marker = Marker::new();
        let (process, stdout, stderr) = self.launch(&marker);
        Sticky {
            process,
            stdout,
            stderr,
            earlier: Vec::new(),
            marker,
            control: self.control(),
            listen: None,
            announcements: AtomicUsize::new(0),
            programs: HashSet::default(),
            options: self,
        }
    }

    /// The process, and what it says on standard output and standard error.
    pub(super) fn launch(&self, marker: &Marker) -> (Child, Output, Output) {
        let mut command = self.command(marker);
        let unread = self.unread.then(|| {
            let ((stdout, out), (stderr, error)) = (Output::unread(), Output::unread());
            command.stdout(out).stderr(error);
            (stdout, stderr)
        });
        command.stdin(Stdio::null());
        if unread.is_none() {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        // A file that another thread's new child still holds open for writing cannot be executed.
        let mut process = wait_until("sticky can be executed", || match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => None,
            spawned => Some(spawned.expect("sticky can be executed")),
        });
        let (stdout, stderr) = unread.unwrap_or_else(|| {
            let stdout = Output::of(process.stdout.take().expect("stdout is a pipe"));
            (stdout, Output::of(process.stderr.take().expect("stderr is a pipe")))
        });
        (process, stdout, stderr)
    }

    fn command(&self, marker: &Marker) -> Command {
        let mut command = self.user.command(binaries::sticky_for(self.user, self.folder.path()));
        command.arg("run").args(&self.flags);
        for (option, value) in &self.options {
            // One word, so that a value may begin with a dash.
            let mut word = OsString::from(option);
            word.push("=");
            word.push(value);
            command.arg(word);
        }
        if !self.worker.is_empty() {
            command.arg("--").args(&self.worker);
        }
        marker.put_on(&mut command);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}
