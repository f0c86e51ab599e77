//! The private directory of a supervisor: its sockets, and a lock that says that it is in use.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

use super::Error;

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

/// The directory, locked. Dropping it removes what is in it.
#[derive(Debug)]
pub(super) struct RunDir {
    directory: PathBuf,
    control: PathBuf,
    notify: PathBuf,
    lock: PathBuf,
    _locked: File,
}

impl RunDir {
    /// Makes the directory of `control` when it is missing (but not the one above it), checks that
    /// it is ours alone, and removes what a supervisor that was killed may have left there.
    pub(super) fn create(control: Option<&Path>, port: u16) -> Result<Self, Error> {
        let by_default = control.is_none();
        let control = control.map_or_else(|| default_control(port), Path::to_path_buf);
        // Workers may work in another directory.
        let control = std::path::absolute(&control).unwrap_or(control);
        let directory = match control.parent() {
            Some(parent) if parent != Path::new("") => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let wrong = |why: String| Error::RunDir { path: directory.clone(), why };
        let failed = |error: io::Error| wrong(error.to_string());

        let notify = directory.join("notify.sock");
        // No name in there is longer than that of the last slot's bus socket.
        let longest =
            control.as_os_str().len().max(directory.as_os_str().len() + "/bus-255.sock".len());
        if longest > LONGEST_PATH {
            return Err(wrong(format!("a socket's path has at most {LONGEST_PATH} bytes")));
        }
        if let Some(parent) = directory.parent().filter(|_| by_default) {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        create_private(&directory).map_err(failed)?;
        let metadata = fs::metadata(&directory).map_err(failed)?;
        if metadata.uid() != geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
            return Err(wrong("it is not private to this user (mode 0700)".into()));
        }
        let lock = directory.join("lock");
        let locked = File::options().create(true).append(true).open(&lock).map_err(failed)?;
        flock(&locked, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| wrong("another supervisor uses it".into()))?;
        for stale in [&control, &notify] {
            match fs::symlink_metadata(stale) {
                Ok(found) if found.file_type().is_socket() => {
                    fs::remove_file(stale).map_err(failed)?;
                }
                Ok(_) => return Err(wrong(format!("{} is no socket", stale.display()))),
                Err(_) => {}
            }
        }
        Ok(Self { directory, control, notify, lock, _locked: locked })
    }

    pub(super) fn path(&self) -> &Path {
        &self.directory
    }

    pub(super) fn control(&self) -> &Path {
        &self.control
    }

    pub(super) fn notify(&self) -> &Path {
        &self.notify
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        for path in [&self.control, &self.notify, &self.lock] {
            let _ = fs::remove_file(path);
        }
        // Stays when something else is in it.
        let _ = fs::remove_dir(&self.directory);
    }
}

fn create_private(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created,
    }
}
