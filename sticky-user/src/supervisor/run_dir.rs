//! The private directory of a supervisor: its sockets, and a lock that says that it is in use.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, FlockOperation, Mode, flock};
use rustix::net::SocketType;
use rustix::process::geteuid;
use sticky_contract::SlotId;

use super::directory::Directory;
use super::slot::WorkerId;
use super::{Error, User};
use sticky_bus::mesh_sockets;

/// The path of a Unix socket has room for 108 bytes, the last of them zero.
const LONGEST_PATH: usize = 107;
/// No name of a socket for workers is longer.
const LONGEST_NAME: &str = "/notify-255-65535.sock";

const LOCK: &str = "lock";
const KEEPER: &str = "keeper.sock";

/// For this process's user alone.
const PRIVATE: Mode = Mode::RWXU;
/// Workers of another user may use what they know the name of, and change nothing.
const PASSABLE: Mode = Mode::RWXU.union(Mode::XGRP).union(Mode::XOTH);

/// Where the supervisor of a port has its control socket unless told otherwise: below
/// `/run/sticky` for root, below `$XDG_RUNTIME_DIR/sticky` or the temporary directory for others.
pub(crate) fn default_control(port: u16) -> PathBuf {
    let user = geteuid();
    let directory = if user.is_root() {
        PathBuf::from(format!("/run/sticky/{port}"))
    } else if let Some(runtime) = env::var_os("XDG_RUNTIME_DIR") {
        PathBuf::from(runtime).join(format!("sticky/{port}"))
    } else {
        // Directly in the shared directory, where nobody else can replace what is ours.
        env::temp_dir().join(format!("sticky-{user}-{port}"))
    };
    directory.join("control.sock")
}

/// The directory, locked.
#[derive(Debug)]
pub(super) struct RunDir {
    directory: Directory,
    /// Whether the directory above it is made too.
    by_default: bool,
    control: OsString,
    locked: File,
    /// Workers of another user, and the directory in which they find their sockets.
    others: Option<(User, Directory)>,
}

impl RunDir {
    /// Makes the directory of `control` when it is missing (but not the one above it), checks that
    /// it is ours alone, and locks it.
    pub(super) fn lock(control: Option<&Path>, port: u16) -> Result<Self, Error> {
        let by_default = control.is_none();
        let control = control.map_or_else(|| default_control(port), Path::to_path_buf);
        // Workers may work in another directory.
        let control = std::path::absolute(&control).unwrap_or(control);
        let (Some(directory), Some(name)) = (control.parent(), control.file_name()) else {
            return Err(wrong(&control, "it names no file".into()));
        };
        let longest = beside(directory).as_os_str().len() + LONGEST_NAME.len();
        if longest.max(control.as_os_str().len()) > LONGEST_PATH {
            let why = format!("a socket's path has at most {LONGEST_PATH} bytes");
            return Err(wrong(directory, why));
        }
        let directory = opened(directory, by_default)?;
        let locked = locked(&directory)?;
        let control = name.to_os_string();
        Ok(Self { directory, by_default, control, locked, others: None })
    }

    /// Makes a directory for workers of another user.
    pub(super) fn open_to(&mut self, user: &User) -> Result<(), Error> {
        if !geteuid().is_root() {
            return Err(Error::User(user.name().into()));
        }
        let path = beside(self.directory.path());
        // Earlier versions gave it to the workers' user.
        let directory = Directory::open_or_repair(&path, PASSABLE, user.uid());
        let directory = directory.map_err(|why| wrong(&path, why))?;
        self.others = Some((user.clone(), directory));
        Ok(())
    }

    /// Removes what a supervisor that was killed may have left, sockets above all.
    pub(super) fn clear(&self) -> Result<(), Error> {
        let kind = self.directory.kind(&self.control);
        if kind.is_some_and(|kind| kind != FileType::Socket) {
            let control = self.control().display().to_string();
            return Err(wrong(self.directory.path(), format!("{control} is no socket")));
        }
        for (directory, name) in self.ours().filter(|(_, name)| name != LOCK) {
            let failed = |error| {
                let name = name.display();
                wrong(directory.path(), format!("cannot remove {name} there: {error}"))
            };
            directory.remove(&name).map_err(failed)?;
        }
        Ok(())
    }

    /// Removes everything of ours: the end of serving.
    pub(super) fn remove(self) {
        for (directory, name) in self.ours() {
            // Best effort: the next supervisor of this directory removes what is left.
            let _ = directory.remove(name);
        }
        for directory in self.directories().filter(|directory| directory.is_there()) {
            // Stays when something else is in it.
            let _ = fs::remove_dir(directory.path());
        }
    }

    /// Makes anew what was removed of the directories and the lock. Tells whether something was.
    pub(super) fn restore(&mut self) -> Result<bool, Error> {
        let directory = !self.directory.is_there();
        if directory {
            self.directory = opened(self.directory.path(), self.by_default)?;
        }
        let lock = directory || !self.directory.has(LOCK, &self.locked);
        if lock {
            self.locked = locked(&self.directory)?;
        }
        let gone = |(_, directory): &(User, Directory)| !directory.is_there();
        match self.others.take_if(|others| gone(others)) {
            Some((user, directory)) => {
                let renewed = self.open_to(&user);
                // What comes of it is tried again.
                self.others.get_or_insert((user, directory));
                renewed.map(|()| true)
            }
            None => Ok(lock),
        }
    }

    fn directories(&self) -> impl Iterator<Item = &Directory> {
        self.others.iter().map(|(_, directory)| directory).chain([&self.directory])
    }

    /// What there is of ours.
    fn ours(&self) -> impl Iterator<Item = (&Directory, OsString)> {
        self.directories().flat_map(|directory| {
            let ours = directory.names().filter(|name| *name == self.control || is_ours(name));
            ours.map(move |name| (directory, name)).collect::<Vec<_>>()
        })
    }

    fn for_workers(&self) -> &Directory {
        self.others.as_ref().map_or(&self.directory, |(_, directory)| directory)
    }

    /// Where workers find their sockets.
    pub(super) fn workers(&self) -> &Path {
        self.for_workers().path()
    }

    /// Binds a socket that workers can reach, and nobody else.
    pub(super) fn bind_for_workers(&self, name: &str, kind: SocketType) -> io::Result<OwnedFd> {
        let owner = self.others.as_ref().map(|(user, _)| user.uid());
        self.for_workers().bind(name, kind, owner)
    }

    /// Whether a socket for workers is still there.
    pub(super) fn has_for_workers(&self, name: &str) -> bool {
        self.for_workers().kind(name) == Some(FileType::Socket)
    }

    /// Removes a socket for workers.
    pub(super) fn remove_for_workers(&self, name: &str) -> io::Result<()> {
        self.for_workers().remove(name)
    }

    /// Where people find the control socket.
    pub(super) fn control(&self) -> PathBuf {
        self.directory.path().join(&self.control)
    }

    /// Binds the control socket, and listens.
    pub(super) fn bind_control(&self) -> io::Result<OwnedFd> {
        self.directory.bind(&self.control, SocketType::STREAM, None)
    }

    /// Whether the control socket is still there.
    pub(super) fn has_control(&self) -> bool {
        self.directory.kind(&self.control) == Some(FileType::Socket)
    }

    /// Where this process finds the keeper.
    pub(super) fn keeper(&self) -> PathBuf {
        self.directory.at(KEEPER)
    }

    /// Whether the next supervisor would find the keeper.
    pub(super) fn has_keeper(&self) -> bool {
        self.directory.kind(KEEPER) == Some(FileType::Socket)
    }
}

/// The name of a worker's notify socket. Of the workers that are there at a time, no two have the
/// same.
pub(super) fn notify(slot: SlotId, id: WorkerId) -> String {
    format!("notify-{slot}-{}.sock", id % (1 << 16))
}

/// The directory for workers of another user.
fn beside(directory: &Path) -> PathBuf {
    let mut beside = directory.as_os_str().to_os_string();
    beside.push("-workers");
    beside.into()
}

fn opened(path: &Path, by_default: bool) -> Result<Directory, Error> {
    if let Some(parent) = path.parent().filter(|_| by_default) {
        let made = DirBuilder::new().recursive(true).mode(0o755).create(parent);
        made.map_err(|error| wrong(path, error.to_string()))?;
    }
    Directory::open(path, PRIVATE).map_err(|why| wrong(path, why))
}

fn locked(directory: &Directory) -> Result<File, Error> {
    let lock = || -> io::Result<Option<File>> {
        loop {
            let file = directory.file(LOCK)?;
            if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                return Ok(None);
            }
            // Or the supervisor before this one has just removed it.
            if directory.has(LOCK, &file) {
                return Ok(Some(file));
            }
        }
    };
    let locked = lock().map_err(|error| wrong(directory.path(), error.to_string()))?;
    locked.ok_or_else(|| wrong(directory.path(), "another supervisor uses it".into()))
}

fn wrong(path: &Path, why: String) -> Error {
    Error::RunDir { path: path.into(), why }
}

fn is_ours(name: &OsStr) -> bool {
    let number = |text: &str| text.parse::<u32>().ok();
    let of_a_slot = || {
        let name = name.to_str()?;
        if let Some(slot) = name.strip_prefix("turn-") {
            return number(slot);
        }
        let (slot, worker) =
            name.strip_prefix("notify-")?.strip_suffix(".sock")?.split_once('-')?;
        number(slot).and(number(worker))
    };
    // Turn files and the one notify socket are of earlier versions.
    [LOCK, KEEPER, "notify.sock"].iter().any(|ours| name == *ours)
        || mesh_sockets::is_name(name)
        || of_a_slot().is_some()
}
