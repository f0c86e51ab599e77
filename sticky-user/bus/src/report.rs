//! Telling the supervisor how the bus is doing, through `NOTIFY_SOCKET`.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::debug;

use super::health::Health;
use sticky_contract::message;
use sticky_contract::notify::Notifier;

/// Between two messages.
const PAUSE: Duration = Duration::from_secs(1);

/// Begins to tell, and how many clients were given up; ends when the bus does.
pub(super) fn start(
    health: watch::Receiver<Health>,
    given_up: watch::Receiver<u64>,
    notifier: Notifier,
) {
    tokio::spawn(report(health, given_up, notifier));
}

async fn report(
    mut health: watch::Receiver<Health>,
    mut given_up: watch::Receiver<u64>,
    notifier: Notifier,
) {
    loop {
        let disconnected = *given_up.borrow_and_update();
        let now = Health { disconnected, ..*health.borrow_and_update() };
        let told = tell(&notifier, now).await;
        #[expect(clippy::disallowed_methods, reason = "what changes often is told once a second")]
        sleep(PAUSE).await;
        if let Err(error) = told {
            debug!("cannot tell the supervisor how the bus is doing: {error}");
            continue;
        }
        tokio::select! {
            changed = health.changed() => if changed.is_err() { return },
            Ok(()) = given_up.changed() => {}
        }
    }
}

async fn tell(notifier: &Notifier, health: Health) -> io::Result<()> {
    let json = serde_json::to_string(&health)?;
    notifier.tell(&[NotifyState::Custom(&format!("{}={json}", message::BUS))]).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::HealthReporter;

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
        let given_up = watch::Sender::new(0);
        let reporting = tokio::spawn(report(
            health.watch(),
            given_up.subscribe(),
            Notifier::to(rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap(),
        ));
        assert_eq!(heard(&supervisor).await, Health::default());
        health.up(true);
        health.peers(2);
        health.dropped(7);
        given_up.send_replace(3);
        let expected = Health { up: true, peers: 2, reconnects: 0, dropped: 7, disconnected: 3 };
        assert_eq!(heard(&supervisor).await, expected);
        drop(health);
        reporting.await.unwrap();
    }
}
