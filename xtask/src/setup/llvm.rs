//! LLVM's library, against which bpf-linker is built.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, anyhow, bail};

use super::{apt::Apt, nightly};
use crate::exec::{say, stdout};

/// Where the user says that an LLVM is; bpf-linker's build reads the same variable.
pub(super) const PREFIX: &str = "LLVM_PREFIX";

/// Gives the prefix of an LLVM of this major version.
pub(super) fn install(apt: &mut Apt, major: u32) -> Result<PathBuf> {
    if let Some(prefix) = env::var_os(PREFIX).map(PathBuf::from) {
        if !fits(&prefix, major) {
            bail!(
                "{PREFIX} is {}, which has no shared library of LLVM {major} in lib: \
                 point it to an LLVM {major} or unset it",
                prefix.display()
            );
        }
        say("llvm", format!("{major} in {} ({PREFIX})", prefix.display()));
        return Ok(prefix);
    }
    if let Some(prefix) = find(major) {
        say("llvm", format!("{major} in {}", prefix.display()));
        return Ok(prefix);
    }
    let package = format!("llvm-{major}-dev");
    let by_hand = format!(
        "One of these helps:\n\
         - install {package} (Debian, Ubuntu; where they lack it, LLVM's own apt repository has \
         it) or your system's development package of LLVM {major}\n\
         - point {PREFIX} to an LLVM {major}\n\
         - put a bpf-linker made for LLVM {major} or later on PATH\n\
         - use a compiler with an LLVM that your system has: {}={}",
        nightly::CHOICE,
        nightly::KNOWN_GOOD,
    );
    apt.install(&[&package], &by_hand)?;
    find(major).ok_or_else(|| {
        anyhow!("{package} is installed, but where is its library? Point {PREFIX} to it")
    })
}

fn find(major: u32) -> Option<PathBuf> {
    let prefix_by = |config: &str| {
        let prefix = stdout(Command::new(config).arg("--prefix")).ok()?;
        Some(PathBuf::from(prefix.trim()))
    };
    let debian = || Some(PathBuf::from(format!("/usr/lib/llvm-{major}")));
    let places: [&dyn Fn() -> Option<PathBuf>; 3] =
        [&|| prefix_by(&format!("llvm-config-{major}")), &debian, &|| prefix_by("llvm-config")];
    places.iter().filter_map(|place| place()).find(|prefix| fits(prefix, major))
}

/// Whether `-lLLVM` finds this major version in the folder where bpf-linker's build will look.
fn fits(prefix: &Path, major: u32) -> bool {
    let folder =
        ["lib64", "lib"].map(|name| prefix.join(name)).into_iter().find(|folder| folder.exists());
    let Some(library) = folder.map(|folder| folder.join("libLLVM.so")) else {
        return false;
    };
    // A link to libLLVM.so.22.1, libLLVM-22.so or the like.
    let real = library.canonicalize().unwrap_or_default();
    let name = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())
        == Some(&major.to_string())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn prefix_with(real: &str) -> tempfile::TempDir {
        let prefix = tempfile::tempdir().unwrap();
        let folder = prefix.path().join("lib");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(real), "").unwrap();
        symlink(real, folder.join("libLLVM.so")).unwrap();
        prefix
    }

    #[test]
    fn knows_the_major_by_the_librarys_real_name() {
        for real in ["libLLVM.so.22.1", "libLLVM-22.so"] {
            let prefix = prefix_with(real);
            assert!(fits(prefix.path(), 22), "{real}");
            assert!(!fits(prefix.path(), 2), "{real}");
            assert!(!fits(prefix.path(), 21), "{real}");
        }
    }

    #[test]
    fn without_library_nothing_fits() {
        let prefix = tempfile::tempdir().unwrap();
        assert!(!fits(prefix.path(), 22));
        fs::create_dir(prefix.path().join("lib")).unwrap();
        assert!(!fits(prefix.path(), 22));
    }
}
