//! Opens the slots and keeps a worker at each.
//!
//! A *slot* lives as long as the port is served; a *worker* is the process that serves it now.
//! [`slot`] is the life of a slot as a pure state machine, `fleet` carries its wishes out.

pub mod backoff;
mod bus_sockets;
mod control;
mod error;
mod fleet;
mod limits;
mod metrics;
mod notify;
mod process;
mod run_dir;
mod settings;
mod signals;
pub mod slot;
mod spawn;
pub mod status;

use tracing::info;

pub use error::Error;
pub use run_dir::default_control;
pub use settings::Settings;
pub use spawn::THIS_BINARY;

use self::bus_sockets::BusSockets;
use self::control::Control;
use self::fleet::Fleet;
use self::notify::NotifySocket;
use self::run_dir::RunDir;
use self::signals::Signals;
use crate::steering::{self, Choice};

/// Serves until SIGTERM or SIGINT. Call it in a single-threaded tokio runtime.
///
/// `announce` is called once, when every slot has a worker that is ready.
pub async fn run(settings: &Settings, announce: impl FnOnce(&status::Status)) -> Result<(), Error> {
    // Before anything that would have to be undone.
    let signals = Signals::install().map_err(Error::system("handle signals"))?;
    limits::raise_open_files();

    let Choice { mode, refused } = steering::choose(settings.mode);
    for refusal in &refused {
        info!("mode {} is not possible here: {}", refusal.mode, refusal.why());
    }
    let run_dir = |port| RunDir::create(settings.control.as_deref(), port);
    // Its lock first, where the port is known: of two supervisors that start together, one gets it.
    let port = settings.plan.listen.port();
    let locked = if port == 0 { None } else { Some(run_dir(port)?) };
    let steering = steering::install(mode, &settings.plan)?;
    let run_dir = locked.map_or_else(|| run_dir(steering.address().port()), Ok)?;
    let notify = NotifySocket::bind(run_dir.notify())
        .map_err(Error::system("open the socket on which workers say that they are ready"))?;
    let control =
        Control::bind(run_dir.control()).map_err(Error::system("open the control socket"))?;
    let bus = if settings.embedded_bus {
        let slots = settings.plan.mapping.slots().get();
        let sockets = BusSockets::open(run_dir.path(), slots);
        Some(sockets.map_err(Error::system("open the bus sockets of the slots"))?)
    } else {
        None
    };
    let fleet = Fleet::new(settings, steering, &refused, bus, notify, control, signals);
    fleet.serve(announce).await
}
