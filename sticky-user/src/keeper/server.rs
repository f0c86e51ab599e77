//! The keeper's side.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, listen};
use rustix::process::{Pid, PidfdFlags, geteuid, pidfd_open};

use super::clients::Clients;
use super::message::{Message, receive, send};
use super::{CONTROL, PROCESS, Vacancy};
use sticky_sys::credentials;

/// Pause after a failure, such as no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Keeps until it is told to leave, or nobody is left to keep for. `listener` is a socket that is
/// bound where the next supervisor of this user finds the keeper; `supervisor` is connected to
/// this one.
pub(crate) fn serve(listener: &OwnedFd, supervisor: OwnedFd) -> io::Result<()> {
    // A client of the socket is told the pid of the process that called this.
    listen(listener, 1)?;
    let mut kept = KeeperStore::default();
    let mut supervisor = Supervisor::of(supervisor);
    loop {
        // A supervisor that talks nonsense is treated like a supervisor that has gone.
        if kept.follow(&supervisor.socket).unwrap_or(false) {
            return Ok(());
        }
        let Some(next) = kept.wait_for_supervisor(listener, supervisor)? else {
            return Ok(());
        };
        supervisor = next;
    }
}

/// The supervisor that says what to keep.
struct Supervisor {
    socket: OwnedFd,
    pid: Option<Pid>,
    /// `None` when it has ended. It may close its socket before, to become another program.
    process: Option<OwnedFd>,
}

impl Supervisor {
    fn of(socket: OwnedFd) -> Self {
        let pid = credentials::peer(&socket).ok().and_then(|peer| peer.pid);
        let process = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        Self { socket, pid, process }
    }
}

/// What is waited for while no supervisor is connected.
enum Waited {
    Next,
    Ended,
    Control,
    Client,
    Worker(String),
}

#[derive(Default)]
struct KeeperStore {
    descriptors: BTreeMap<String, OwnedFd>,
    note: String,
}

impl KeeperStore {
    /// Does what a supervisor says until it has gone. Tells whether it said to leave.
    fn follow(&mut self, supervisor: &OwnedFd) -> io::Result<bool> {
        while let Some((message, descriptor)) = receive(supervisor)? {
            match (message, descriptor) {
                (Message::Keep(name), Some(descriptor)) => {
                    self.descriptors.insert(name, descriptor);
                }
                (Message::Forget(name), _) => {
                    self.descriptors.remove(&name);
                }
                (Message::Note(note), _) => self.note = note,
                (Message::Ping, _) => send(supervisor, &Message::Pong, None)?,
                (Message::Take, _) => self.give(supervisor)?,
                (Message::Leave, _) => return Ok(true),
                (Message::Keep(_), None) | (Message::Pong, _) => {
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
        }
        Ok(false)
    }

    fn give(&self, supervisor: &OwnedFd) -> io::Result<()> {
        for (name, descriptor) in &self.descriptors {
            send(supervisor, &Message::Keep(name.clone()), Some(descriptor.as_fd()))?;
        }
        send(supervisor, &Message::Note(self.note.clone()), None)
    }

    /// Waits for a supervisor to connect, and tells clients that there is none. `None` when the
    /// last one and all workers have gone before.
    fn wait_for_supervisor(
        &mut self,
        listener: &OwnedFd,
        last: Supervisor,
    ) -> io::Result<Option<Supervisor>> {
        let Supervisor { pid, mut process, .. } = last;
        let mut since = SystemTime::now();
        let mut clients = Clients::default();
        let next = loop {
            if process.is_none() && self.workers().next().is_none() {
                break None;
            }
            let mut next = None;
            for happened in self.poll(listener, process.as_ref(), &clients)? {
                match happened {
                    Waited::Next => next = accepted(listener),
                    Waited::Ended => (process, since) = (None, SystemTime::now()),
                    Waited::Control => {
                        if let Some(control) = self.descriptors.get(CONTROL) {
                            let answer = |request: &[u8]| self.answer(pid, since, request);
                            clients.accept(control, answer).unwrap_or_else(|_| pause());
                        }
                    }
                    Waited::Client => {}
                    Waited::Worker(name) => drop(self.descriptors.remove(&name)),
                }
            }
            clients.go_on(|request| self.answer(pid, since, request));
            if next.is_some() {
                break next;
            }
        };
        clients.end(|request| self.answer(pid, since, request));
        Ok(next)
    }

    /// Waits until something happens, or the time of a client is over.
    fn poll(
        &self,
        listener: &OwnedFd,
        process: Option<&OwnedFd>,
        clients: &Clients,
    ) -> io::Result<Vec<Waited>> {
        let mut waited = vec![(Waited::Next, PollFd::new(listener, PollFlags::IN))];
        if let Some(process) = process {
            waited.push((Waited::Ended, PollFd::new(process, PollFlags::IN)));
        } else if let Some(control) = self.descriptors.get(CONTROL) {
            waited.push((Waited::Control, PollFd::new(control, PollFlags::IN)));
        }
        waited
            .extend(clients.sockets().map(|(it, flags)| (Waited::Client, PollFd::new(it, flags))));
        waited.extend(self.workers().map(|(name, worker)| {
            (Waited::Worker(name.clone()), PollFd::new(worker, PollFlags::IN))
        }));
        let (what, mut polled): (Vec<_>, Vec<_>) = waited.into_iter().unzip();
        let left = clients.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut polled, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let happened = what.into_iter().zip(polled).filter(|(_, it)| !it.revents().is_empty());
        Ok(happened.map(|(what, _)| what).collect())
    }

    fn workers(&self) -> impl Iterator<Item = (&String, &OwnedFd)> {
        self.descriptors.iter().filter(|(name, _)| name.starts_with(PROCESS))
    }

    fn answer(&self, supervisor: Option<Pid>, since: SystemTime, request: &[u8]) -> Vec<u8> {
        let supervisor = supervisor.map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
        let workers =
            self.workers().filter_map(|(name, _)| name.strip_prefix(PROCESS)?.parse().ok());
        Vacancy::new(supervisor, since, workers.collect(), self.note.clone()).answer(request)
    }
}

/// The next supervisor, if it is one of this user.
fn accepted(listener: &OwnedFd) -> Option<Supervisor> {
    let Ok(next) = accept_with(listener, SocketFlags::CLOEXEC) else {
        pause();
        return None;
    };
    let ours = credentials::peer(&next).is_ok_and(|peer| peer.uid == geteuid());
    ours.then(|| Supervisor::of(next))
}

fn pause() {
    #[expect(clippy::disallowed_methods, reason = "no event tells that it may work now")]
    thread::sleep(PAUSE);
}
