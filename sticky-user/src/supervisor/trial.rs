//! Another program is asked whether it could take over. It may be any: it has so much time, and may
//! say so much, and is ended with its process group.

use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::process::{Ended, Process};
use super::upgrade::{ANSWER, UpgradeError};

/// How long it may take.
const TIME: Duration = Duration::from_secs(10);
/// How much it may say, in bytes, on each of its outputs.
const MOST: usize = 64 * 1024;
/// How long its end may take when it is killed.
const END: Duration = Duration::from_secs(2);

/// What it came to.
enum Outcome {
    Said { out: Vec<u8>, errors: Vec<u8>, how: Ended },
    TooMuch,
    TooLong,
    Cancelled,
}

/// Asks a program whether it could take over with the arguments of this process: the version that
/// it tells. It is ended when that is `cancelled`.
pub(super) async fn try_out(
    program: &Path,
    note: &str,
    cancelled: &CancellationToken,
) -> Result<String, UpgradeError> {
    let failed = |error| UpgradeError::Execute(program.into(), error);
    let mut child = Command::new(program)
        .arg("upgrade-check")
        .arg("--")
        .args(env::args_os().skip(1))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let (end, ended) = oneshot::channel();
    let end = move |how| {
        // It may be given up.
        let _ = end.send(how);
    };
    let process = Process::unguarded(child.id(), end).map_err(failed)?;
    let stdin = child.stdin.take().map(OwnedFd::from);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut ended = std::pin::pin!(async { ended.await.unwrap_or(Ended::Unknown) });
    let mut has_ended = false;
    let said = async {
        let told = async {
            // A program that does not read the note is judged by what it says.
            let _ = tell(stdin, note.as_bytes()).await;
            Ok(())
        };
        let out = read(stdout.map(OwnedFd::from));
        let errors = read(stderr.map(OwnedFd::from));
        let how = async {
            let how = ended.as_mut().await;
            has_ended = true;
            Ok(how)
        };
        tokio::try_join!(told, out, errors, how)
    };
    let outcome = tokio::select! {
        said = timeout(TIME, said) => match said {
            Ok(Ok(((), out, errors, how))) => Outcome::Said { out, errors, how },
            Ok(Err(TooMuch)) => Outcome::TooMuch,
            Err(_) => Outcome::TooLong,
        },
        () = cancelled.cancelled() => Outcome::Cancelled,
    };
    // What it has said may outlast it.
    if !matches!(outcome, Outcome::Said { .. }) && !has_ended {
        process.signal(rustix::process::Signal::KILL);
        // A process that the kernel does not let go of is left to it.
        let _ = timeout(END, ended).await;
    }
    let said = match outcome {
        Outcome::Said { out, errors, how } => {
            let out = String::from_utf8_lossy(&out);
            match out.trim().strip_prefix(ANSWER) {
                Some(version) if how == Ended::Code(0) => return Ok(version.into()),
                _ => {
                    let errors = String::from_utf8_lossy(&errors);
                    format!("{how} and said {:?}", errors.lines().next().unwrap_or("nothing"))
                }
            }
        }
        Outcome::TooMuch => format!("said more than {} KiB, and was killed", MOST / 1024),
        Outcome::TooLong => format!("did not end within {TIME:?}, and was killed"),
        Outcome::Cancelled => "was killed, since the server is ending".into(),
    };
    Err(UpgradeError::Refused { program: program.into(), said })
}

struct TooMuch;

async fn tell(stdin: Option<OwnedFd>, mut text: &[u8]) -> io::Result<()> {
    let stdin = Sender::from_owned_fd(stdin.ok_or(io::ErrorKind::BrokenPipe)?)?;
    while !text.is_empty() {
        stdin.writable().await?;
        match stdin.try_write(text) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => text = text.get(written?..).unwrap_or_default(),
        }
    }
    Ok(())
}

/// All that it says.
async fn read(pipe: Option<OwnedFd>) -> Result<Vec<u8>, TooMuch> {
    let mut said = Vec::new();
    let Some(pipe) = pipe.and_then(|pipe| Receiver::from_owned_fd(pipe).ok()) else {
        return Ok(said);
    };
    loop {
        let mut part = [0; 4096];
        let read = match pipe.readable().await {
            Ok(()) => pipe.try_read(&mut part),
            Err(error) => Err(error),
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) | Ok(0) => return Ok(said),
            Ok(length) => said.extend_from_slice(part.get(..length).unwrap_or_default()),
        }
        if said.len() > MOST {
            return Err(TooMuch);
        }
        // Others have their turn, however fast it talks.
        tokio::task::yield_now().await;
    }
}
