//! Telling the supervisor how the bus is doing, through `NOTIFY_SOCKET`.

use std::env;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::debug;

use super::health::Health;

/// What the message begins with; the rest of the line is [`Health`] as JSON.
const HEALTH_VARIABLE: &str = "X_STICKY_BUS";

/// Between two messages.
const PAUSE: Duration = Duration::from_secs(1);

/// Begins to tell, where there is a supervisor to hear it; ends when the bus does.
pub(super) fn start(health: watch::Receiver<Health>) {
    if let Some(socket) = env::var_os("NOTIFY_SOCKET") {
        tokio::spawn(report(health, socket.into()));
    }
}

async fn report(mut health: watch::Receiver<Health>, socket: PathBuf) {
    loop {
        let now = *health.borrow_and_update();
        let told = tell(&socket, now);
        sleep(PAUSE).await; // real delay: what changes often is told once a second
        match told {
            Ok(()) if health.changed().await.is_err() => return,
            Ok(()) => {}
            Err(error) => debug!("cannot tell the supervisor how the bus is doing: {error}"),
        }
    }
}

/// Never waits: a supervisor that does not read must not stop its workers.
fn tell(supervisor: &Path, health: Health) -> io::Result<()> {
    let json = serde_json::to_string(&health)?;
    let message = NotifyState::Custom(&format!("{HEALTH_VARIABLE}={json}")).to_string();
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to(message.as_bytes(), supervisor).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::health::HealthReporter;

    async fn heard(supervisor: &tokio::net::UnixDatagram) -> Health {
        let mut message = [0; 4096];
        let length = supervisor.recv(&mut message).await.unwrap();
        let message = str::from_utf8(&message[..length]).unwrap();
        let json = message.strip_prefix("X_STICKY_BUS=").unwrap();
        serde_json::from_str(json).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn tells_what_is_and_what_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify.sock");
        let supervisor = tokio::net::UnixDatagram::bind(&path).unwrap();
        let health = HealthReporter::default();
        let reporting = tokio::spawn(report(health.watch(), path));
        assert_eq!(heard(&supervisor).await, Health::default());
        health.up(true);
        health.peers(2);
        health.dropped(7);
        let expected = Health { up: true, peers: 2, reconnects: 0, dropped: 7 };
        assert_eq!(heard(&supervisor).await, expected);
        drop(health);
        reporting.await.unwrap();
    }
}
