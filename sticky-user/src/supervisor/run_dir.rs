//! The private directory of a supervisor: its sockets, and a lock that says that it is in use.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

use super::{Error, User};
use crate::bus::mesh;

/// The path of a Unix socket has room for 108 bytes, the last of them zero.
const LONGEST_PATH: usize = 107;

/// Where the supervisor of a port has its control socket unless told otherwise: below
/// `/run/sticky` for root, below `$XDG_RUNTIME_DIR/sticky` or the temporary directory for others.
pub fn default_control(port: u16) -> PathBuf {
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
    directory: PathBuf,
    control: PathBuf,
    /// What workers can reach: the same, or one that is theirs where they are another user.
    workers: PathBuf,
    _locked: File,
}

impl RunDir {
    /// Makes the directory of `control` when it is missing (but not the one above it), checks that
    /// it is ours alone, and locks it.
    pub(super) fn lock(
        control: Option<&Path>,
        port: u16,
        workers: Option<&User>,
    ) -> Result<Self, Error> {
        let by_default = control.is_none();
        let control = control.map_or_else(|| default_control(port), Path::to_path_buf);
        // Workers may work in another directory.
        let control = std::path::absolute(&control).unwrap_or(control);
        let directory = match control.parent() {
            Some(parent) if parent != Path::new("") => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let failed = |error: io::Error| wrong(&directory, error.to_string());
        let mut beside = directory.clone().into_os_string();
        beside.push("-workers");
        let beside = PathBuf::from(beside);
        // No name in there is longer than that of the last slot's bus socket.
        let longest =
            control.as_os_str().len().max(beside.as_os_str().len() + "/bus-255.sock".len());
        if longest > LONGEST_PATH {
            let why = format!("a socket's path has at most {LONGEST_PATH} bytes");
            return Err(wrong(&directory, why));
        }
        if let Some(parent) = directory.parent().filter(|_| by_default) {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        private(&directory, geteuid().as_raw())?;
        let lock = directory.join("lock");
        let locked = File::options().create(true).append(true).open(&lock).map_err(failed)?;
        flock(&locked, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| wrong(&directory, "another supervisor uses it".into()))?;
        let workers = match workers {
            Some(user) => {
                if let Err(error) = private(&beside, user.uid()) {
                    // Best effort, as in `remove`.
                    let _ = fs::remove_dir(&beside);
                    let _ = fs::remove_file(&lock);
                    let _ = fs::remove_dir(&directory);
                    let root = geteuid().is_root();
                    return Err(if root { error } else { Error::User(user.name().into()) });
                }
                beside
            }
            None => directory.clone(),
        };
        Ok(Self { directory, control, workers, _locked: locked })
    }

    /// Removes what a supervisor that was killed may have left, sockets above all.
    pub(super) fn clear(&self) -> Result<(), Error> {
        if fs::symlink_metadata(&self.control).is_ok_and(|found| !found.file_type().is_socket()) {
            return Err(wrong(&self.directory, format!("{} is no socket", self.control.display())));
        }
        for path in self.ours().filter(|path| *path != self.directory.join("lock")) {
            fs::remove_file(path).map_err(|error| wrong(&self.directory, error.to_string()))?;
        }
        Ok(())
    }

    /// Removes everything of ours: the end of serving.
    pub(super) fn remove(self) {
        for path in self.ours() {
            // Best effort: the next supervisor of this directory removes what is left.
            let _ = fs::remove_file(path);
        }
        for directory in [&self.workers, &self.directory] {
            // Stays when something else is in it.
            let _ = fs::remove_dir(directory);
        }
    }

    /// What there is of ours.
    fn ours(&self) -> impl Iterator<Item = PathBuf> {
        let entries = [&self.directory, &self.workers].map(fs::read_dir);
        let paths = entries.into_iter().flatten().flatten().flatten().map(|entry| entry.path());
        paths.filter(|path| path == &self.control || is_ours(path))
    }

    /// What workers can reach.
    pub(super) fn workers(&self) -> &Path {
        &self.workers
    }

    pub(super) fn control(&self) -> &Path {
        &self.control
    }

    pub(super) fn notify(&self) -> PathBuf {
        self.workers.join("notify.sock")
    }

    pub(super) fn keeper(&self) -> PathBuf {
        self.directory.join("keeper.sock")
    }
}

fn wrong(path: &Path, why: String) -> Error {
    Error::RunDir { path: path.into(), why }
}

fn is_ours(path: &Path) -> bool {
    let Some(name) = path.file_name() else {
        return false;
    };
    ["lock", "notify.sock", "keeper.sock"].iter().any(|ours| name == *ours) || mesh::is_socket(name)
}

/// A directory of `user` alone, made where it is missing.
fn private(directory: &Path, user: u32) -> Result<(), Error> {
    let make = || -> io::Result<bool> {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => {
                created?;
                if user != geteuid().as_raw() {
                    chown(directory, Some(user), None)?;
                }
            }
        }
        let metadata = fs::symlink_metadata(directory)?;
        Ok(metadata.is_dir() && metadata.uid() == user && metadata.mode() & 0o7777 == 0o700)
    };
    match make() {
        Ok(true) => Ok(()),
        Ok(false) => Err(wrong(directory, format!("it is not private to user {user} (mode 0700)"))),
        Err(error) => Err(wrong(directory, error.to_string())),
    }
}
