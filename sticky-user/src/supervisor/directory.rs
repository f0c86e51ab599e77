//! A directory that is held open: what is done in it is done by name, in this directory and no other.
//!
//! A path can lead elsewhere from one moment to the next, where another user may write to a directory
//! on its way. So such a way is refused to root, and links are never followed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fchmod, fchown, fstat, mkdir, open,
    openat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use rustix::process::{getegid, geteuid};

/// A socket's owner alone may connect to it, root aside.
const SOCKET: Mode = Mode::RUSR.union(Mode::WUSR);

/// So many may wait to be accepted.
const BACKLOG: i32 = 1024;

/// So many symbolic links on one way, and the kernel gives up too.
const MOST_LINKS: usize = 40;

/// A directory of this process's user, held open.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    descriptor: OwnedFd,
}

impl Directory {
    /// Opens the directory, or makes it. A directory that is there has to have this very mode.
    pub(super) fn open(path: &Path, mode: Mode) -> Result<Self, String> {
        let this = Self::found_or_made(path, mode)?;
        let found = this.status()?;
        if found.st_uid != geteuid().as_raw() || permissions(&found) != mode {
            let user = geteuid();
            return Err(format!(
                "it is not private to user {user} (mode {:04o})",
                mode.as_raw_mode()
            ));
        }
        Ok(this)
    }

    /// Opens the directory, or makes it. A directory that is there is given this mode, and where it
    /// belongs to the user `before`, it becomes this process's user's.
    pub(super) fn open_or_repair(path: &Path, mode: Mode, before: u32) -> Result<Self, String> {
        let this = Self::found_or_made(path, mode)?;
        let found = this.status()?;
        let user = geteuid();
        if found.st_uid != user.as_raw() {
            if found.st_uid != before {
                return Err(format!("it belongs to user {}, and not to {user}", found.st_uid));
            }
            // In this order: from here on nobody else can write to it.
            fchown(&this.descriptor, Some(user), Some(getegid())).map_err(text)?;
        }
        fchmod(&this.descriptor, mode).map_err(text)?;
        Ok(this)
    }

    fn found_or_made(path: &Path, mode: Mode) -> Result<Self, String> {
        if geteuid().is_root() {
            leads_where_root_says(path.parent().unwrap_or(path))?;
        }
        let is_new = match mkdir(path, Mode::RWXU) {
            Err(Errno::EXIST) => false,
            created => created.map(|()| true).map_err(text)?,
        };
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = open(path, flags, Mode::empty()).map_err(|error| match error {
            Errno::LOOP | Errno::NOTDIR => "it is no directory".to_owned(),
            error => text(error),
        })?;
        let this = Self { path: path.to_path_buf(), descriptor };
        if is_new && this.status()?.st_uid == geteuid().as_raw() {
            // Whatever the umask took away, or the directory above added.
            fchmod(&this.descriptor, mode).map_err(text)?;
        }
        Ok(this)
    }

    fn status(&self) -> Result<Stat, String> {
        fstat(&self.descriptor).map_err(text)
    }

    /// Where others find it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A path for this process that leads to a name in this very directory.
    pub(super) fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        Path::new("/proc/self/fd").join(self.descriptor.as_raw_fd().to_string()).join(name)
    }

    /// Whether its path still leads to it.
    pub(super) fn is_there(&self) -> bool {
        let found = fs::symlink_metadata(&self.path);
        let own = fstat(&self.descriptor);
        found.is_ok_and(|found| {
            own.is_ok_and(|own| (found.dev(), found.ino()) == (own.st_dev, own.st_ino))
        })
    }

    /// What is in it.
    pub(super) fn names(&self) -> impl Iterator<Item = std::ffi::OsString> {
        let entries = fs::read_dir(self.at("")).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name())
    }

    /// What kind of file has this name, if any.
    pub(super) fn kind(&self, name: impl AsRef<OsStr>) -> Option<FileType> {
        let found = statat(&self.descriptor, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(FileType::from_raw_mode(found.st_mode))
    }

    /// Whether this name is that of an open file.
    pub(super) fn has(&self, name: &str, file: &File) -> bool {
        let named = statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW);
        let open = fstat(file);
        let same =
            |named: Stat, open: Stat| (named.st_dev, named.st_ino) == (open.st_dev, open.st_ino);
        named.is_ok_and(|named| open.is_ok_and(|open| same(named, open)))
    }

    /// Opens a file, or makes it, for reading and writing by this process's user alone.
    pub(super) fn file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&self.descriptor, name, flags, SOCKET)?.into())
    }

    /// Binds a socket to a name, in place of a file that has it, for `owner` alone to connect to;
    /// without one, for this process's user. One for connections listens.
    pub(super) fn bind(
        &self,
        name: impl AsRef<OsStr>,
        kind: SocketType,
        owner: Option<u32>,
    ) -> io::Result<OwnedFd> {
        let name = name.as_ref();
        self.remove(name)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, kind, flags, None)?;
        // What is bound gets the mode of the socket: at no moment anybody else can connect.
        fchmod(&socket, SOCKET)?;
        bind(&socket, &SocketAddrUnix::new(self.at(name))?)?;
        if let Some(owner) = owner.filter(|&owner| owner != geteuid().as_raw()) {
            let (owner, group) = (Some(Uid::from_raw(owner)), None::<Gid>);
            let given = chownat(&self.descriptor, name, owner, group, AtFlags::SYMLINK_NOFOLLOW);
            if let Err(error) = given {
                self.remove(name)?;
                return Err(error.into());
            }
        }
        if kind == SocketType::STREAM {
            listen(&socket, BACKLOG)?;
        }
        Ok(socket)
    }

    /// Removes a name that is no directory's, where it is there.
    pub(super) fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        match unlinkat(&self.descriptor, name.as_ref(), AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            removed => Ok(removed?),
        }
    }
}

fn permissions(found: &Stat) -> Mode {
    Mode::from_raw_mode(found.st_mode)
}

fn text(error: Errno) -> String {
    io::Error::from(error).to_string()
}

/// Whether nobody but root can change where this path leads; if not, why.
fn leads_where_root_says(path: &Path) -> Result<(), String> {
    const ROOT: &str = "/";
    let mut at = PathBuf::from(ROOT);
    let mut left: Vec<PathBuf> = parts(path);
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part == Path::new("..") {
            at.pop();
            continue;
        }
        let next = at.join(part);
        let wrong = |why: String| format!("{} {why}", next.display());
        let found = fs::symlink_metadata(&next)
            .map_err(|error| wrong(format!("is not to be had: {error}")))?;
        if found.uid() != 0 {
            let user = found.uid();
            return Err(wrong(format!("belongs to user {user}, who could lead root elsewhere")));
        }
        if found.is_symlink() {
            links += 1;
            let target = fs::read_link(&next).map_err(|error| wrong(error.to_string()))?;
            if links > MOST_LINKS {
                return Err(wrong("is one of too many symbolic links".into()));
            }
            if target.has_root() {
                at = ROOT.into();
            }
            left.extend(parts(&target));
            continue;
        }
        if found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0 {
            return Err(wrong("can be written to by others, who could lead root elsewhere".into()));
        }
        at = next;
    }
    Ok(())
}

/// The last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(_) | Component::ParentDir => Some(PathBuf::from(part.as_os_str())),
        _ => None,
    });
    parts.rev().collect()
}
