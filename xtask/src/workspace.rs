//! Where things are, and putting build products where `sticky-user` looks for them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    // cargo tells at run time; what was compiled in is wrong once the checkout has moved.
    let xtask = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    xtask.parent().map_or_else(|| xtask.clone(), Path::to_owned)
}

/// What is made here for other crates to embed: a folder of the repository's that git leaves alone.
pub(crate) fn products() -> PathBuf {
    root().join("sticky-user/embedded")
}

/// Copies a file unless the copy is the same already, so that cargo sees no change where none is.
pub(crate) fn copy_if_changed(from: &Path, to: &Path) -> Result<bool> {
    let new = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(false);
    }
    let write = || {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        // By way of a rename: a build that reads at the same time sees the old file or the new one.
        let mut half = to.as_os_str().to_owned();
        half.push(format!(".{}", std::process::id()));
        fs::write(&half, &new)?;
        fs::rename(&half, to)
    };
    write().with_context(|| format!("cannot write {}", to.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_only_what_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("new/b"));
        fs::write(&from, "one").unwrap();
        assert!(copy_if_changed(&from, &to).unwrap());
        assert!(!copy_if_changed(&from, &to).unwrap());
        fs::write(&from, "two").unwrap();
        assert!(copy_if_changed(&from, &to).unwrap());
        assert_eq!(fs::read_to_string(&to).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
    }

    #[test]
    fn root_holds_the_workspace() {
        assert!(root().join("xtask/Cargo.toml").is_file());
    }
}
