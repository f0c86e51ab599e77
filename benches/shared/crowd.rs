//! Clients in a process of their own, and the questions that the bench asks them.
//!
//! A process may open only so many files, so each server has clients of its own. A question is a line, and so
//! is its answer: `ok` and what there is to tell, or `error` and what is wrong.

use std::env;
use std::fmt::Display;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _, stdin};
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use mio::{Interest, Registry, Token};

use crate::processes::Tree;

/// For tens of thousands of connections on a machine that is busy. Each step of one has a limit of its own.
const PATIENCE: Duration = Duration::from_mins(5);

/// The process, seen from the bench. Dropped, it is killed.
#[derive(Debug)]
pub struct Crowd {
    process: Tree,
    control: BufReader<UnixStream>,
    who: String,
}

impl Crowd {
    /// Starts this bench anew as clients of that kind, without connections yet.
    pub fn start(kind: &str, server: SocketAddr, who: String) -> Result<Self> {
        let (control, of_clients) = UnixStream::pair()?;
        control.set_read_timeout(Some(PATIENCE))?;
        let mut command = Command::new(env::current_exe().context("this bench has no path")?);
        command.args(["--client", kind, "--address", &server.to_string()]);
        command.stdin(Stdio::from(OwnedFd::from(of_clients))).stderr(Stdio::null());
        let process = Tree::spawn(&mut command)?;
        Ok(Self { process, control: BufReader::new(control), who })
    }

    /// Opens connections from the addresses with these numbers, and returns when all have got as far as they
    /// are to get.
    pub fn open(&mut self, from: usize, to: usize) -> Result<()> {
        self.ask(&format!("open {from} {to}")).map(drop)
    }

    /// What the clients have to tell.
    pub fn ask(&mut self, question: &str) -> Result<String> {
        let Self { process, control, who } = self;
        // Clients that have ended have said why, so reading tells more.
        let _ = control.get_mut().write_all(format!("{question}\n").as_bytes());
        let mut answer = String::new();
        control.read_line(&mut answer).with_context(|| {
            format!("no answer by the {who} to `{question}` within {PATIENCE:?}")
        })?;
        match answer.trim_end().split_once(' ') {
            Some(("ok", told)) => Ok(told.to_owned()),
            Some(("error", why)) => bail!("{who}: {why}"),
            _ => bail!("the {who} (process {}) ended at `{question}`", process.pid()),
        }
    }
}

/// The bench, seen from the process: standard input.
#[derive(Debug)]
pub struct Control {
    stream: mio::net::UnixStream,
    asked: String,
}

/// What has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Not a whole line.
    Nothing,
    /// A line.
    Question(String),
    /// The bench has ended.
    NoMore,
}

impl Control {
    /// Of a process that the bench has started; events come with that token.
    pub fn inherited(registry: &Registry, token: Token) -> Result<Self> {
        let stream = UnixStream::from(stdin().as_fd().try_clone_to_owned()?);
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::UnixStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Self { stream, asked: String::new() })
    }

    /// Reads what has come.
    pub fn read(&mut self) -> io::Result<Asked> {
        match self.stream.read_to_string(&mut self.asked) {
            Ok(_) => Ok(Asked::NoMore),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Err(_) if self.asked.ends_with('\n') => {
                Ok(Asked::Question(std::mem::take(&mut self.asked)))
            }
            Err(_) => Ok(Asked::Nothing),
        }
    }

    /// Answers a question. After an error the process is to end.
    pub fn answer(&mut self, result: Result<impl Display>) -> Result<()> {
        let answer = match &result {
            Ok(told) => format!("ok {told}\n"),
            Err(error) => format!("error {}\n", format!("{error:#}").replace('\n', " ")),
        };
        self.stream.write_all(answer.as_bytes())?;
        result.map(drop)
    }
}
