//! Running other programs, with errors that show the command line that failed.

use std::{
    env,
    ffi::OsStr,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// One line about what is found or done, on stderr as cargo's own lines are.
pub(crate) fn say(what: &str, text: impl AsRef<str>) {
    eprintln!("{what}: {}", text.as_ref());
}

/// Runs with our own stdout and stderr.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| unstartable(command))?;
    if !status.success() {
        bail!("`{}` failed: {status}", line(command));
    }
    Ok(())
}

/// Runs and gives stdout; what the program said on stderr is shown only when it fails.
pub(crate) fn stdout(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| unstartable(command))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let status = output.status;
        let said = format!("{stdout}{stderr}");
        bail!("`{}` failed: {status}\n{}", line(command), said.trim_end());
    }
    Ok(stdout)
}

/// The command line as one would type it, with the variables that are set for it.
pub(crate) fn line(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let mut word = name.to_owned();
        word.push("=");
        word.push(value?);
        Some(word)
    });
    let words = variables
        .chain([command.get_program().to_owned()])
        .chain(command.get_args().map(OsStr::to_owned));
    words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
}

/// A program on PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| {
        file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

fn unstartable(command: &Command) -> String {
    format!("`{}` could not be started", line(command))
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_shows_command_and_status() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c 'exit 3'` failed: exit status: 3");
    }

    #[test]
    fn failure_of_captured_program_shows_its_words() {
        let error = stdout(Command::new("sh").args(["-c", "echo why >&2; exit 1"])).unwrap_err();
        assert!(error.to_string().ends_with("exit status: 1\nwhy"), "{error}");
    }

    #[test]
    fn line_shows_set_variables_and_hides_removed_ones() {
        let mut command = Command::new("cargo");
        command.env("A", "b c").env_remove("D").arg("it's");
        assert_eq!(line(&command), r"'A=b c' cargo 'it'\''s'");
    }

    #[test]
    fn missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert_eq!(error.to_string(), "`no-such-program-here` could not be started");
        assert_eq!(find("no-such-program-here"), None);
    }
}
