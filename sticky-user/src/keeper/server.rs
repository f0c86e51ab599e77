//! The keeper's side.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, listen, sockopt::socket_peercred};
use rustix::process::geteuid;

use super::PROCESS;
use super::message::{Message, receive, send};

/// Keeps until it is told to leave, or nobody is left to keep for. `listener` is a socket that is
/// bound where the next supervisor of this user finds the keeper; `supervisor` is connected to
/// this one.
pub fn serve(listener: &OwnedFd, supervisor: OwnedFd) -> io::Result<()> {
    // Whoever connects is told the pid of the process that called this.
    listen(listener, 1)?;
    let mut kept = Kept::default();
    let mut supervisor = Some(supervisor);
    loop {
        if let Some(supervisor) = supervisor.take() {
            // One that talks nonsense is treated as one that has gone.
            if kept.follow(&supervisor).unwrap_or(false) {
                return Ok(());
            }
        }
        if !kept.wait_for_supervisor(listener)? {
            return Ok(());
        }
        let next = accept_with(listener, SocketFlags::CLOEXEC)?;
        if socket_peercred(&next)?.uid == geteuid() {
            supervisor = Some(next);
        }
    }
}

#[derive(Default)]
struct Kept {
    descriptors: BTreeMap<String, OwnedFd>,
    note: String,
}

impl Kept {
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
                (Message::Take, _) => self.give(supervisor)?,
                (Message::Leave, _) => return Ok(true),
                (Message::Keep(_), None) => return Err(io::ErrorKind::InvalidData.into()),
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

    /// Waits for a supervisor to connect. `false` when all workers have gone before one does.
    fn wait_for_supervisor(&mut self, listener: &OwnedFd) -> io::Result<bool> {
        loop {
            let workers: Vec<(&String, &OwnedFd)> =
                self.descriptors.iter().filter(|(name, _)| name.starts_with(PROCESS)).collect();
            if workers.is_empty() {
                return Ok(false);
            }
            let mut waited_for = vec![PollFd::new(listener, PollFlags::IN)];
            waited_for.extend(workers.iter().map(|(_, fd)| PollFd::new(*fd, PollFlags::IN)));
            match poll(&mut waited_for, None) {
                Err(Errno::INTR) => continue,
                polled => polled?,
            };
            let mut happened = waited_for.iter().map(|it| !it.revents().is_empty());
            if happened.next() == Some(true) {
                return Ok(true);
            }
            let gone: Vec<String> = workers
                .iter()
                .zip(happened)
                .filter(|(_, gone)| *gone)
                .map(|((name, _), _)| (*name).clone())
                .collect();
            for name in gone {
                self.descriptors.remove(&name);
            }
        }
    }
}
