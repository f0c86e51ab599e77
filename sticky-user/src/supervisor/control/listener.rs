//! Who may connect to the control socket.

use std::io;
use std::time::Duration;

use axum::serve::Listener;
use rustix::process::geteuid;
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tracing::{error, warn};

/// Pause after a failure, such as no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Hands out connections of this process's own user and of root only. The directory and the mode
/// of the socket say the same; this holds where somebody has changed them.
pub(super) struct OwnUser(pub(super) UnixListener);

impl Listener for OwnUser {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        loop {
            let accepted = async {
                let (stream, address) = self.0.accept().await?;
                let user = stream.peer_cred()?.uid();
                Ok::<_, io::Error>((stream, address, user))
            };
            match accepted.await {
                Ok((stream, address, user)) if user == 0 || user == geteuid().as_raw() => {
                    return (stream, address);
                }
                Ok((_, _, user)) => warn!(user, "refused at the control socket"),
                Err(error) => {
                    error!("cannot accept on the control socket: {error}; trying again");
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "no event tells it may work now"
                    )]
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
