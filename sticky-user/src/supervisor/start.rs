//! From nothing, or from what an earlier supervisor left, to a fleet that serves.

use sticky_sys::inherited::Descriptors;
use tracing::{info, warn};

use super::bus_sockets::BusSockets;
use super::control::Control;
use super::fleet::{Fleet, Parts, Predecessor};
use super::handover::HandoverWriter;
use super::lease_files::LeaseFiles;
use super::manifest::Manifest;
use super::run_dir::RunDir;
use super::service_manager::ServiceManager;
use super::signals::Signals;
use super::upgrade::Rollback;
use super::{Error, Settings, spawn};
use crate::keeper::{Handover, KeeperClient};
use crate::steering::{self, Choice, Mode, Plan, Refusal};
use crate::step::Step as _;

/// Opens everything, or takes it over.
pub(super) async fn fleet<'a>(
    settings: &'a Settings,
    signals: Signals,
    passed: &mut Descriptors,
    rollback: &Rollback,
) -> Result<Fleet<'a>, Error> {
    let lock = |port| RunDir::lock(settings.control.as_deref(), port);
    let stored = ServiceManager::take(passed).step("take what the service manager stored")?;
    // Its lock first, where it is known: of two supervisors that start together, one gets it.
    let port = match (settings.plan.listen.port(), &stored) {
        (0, Some(handover)) => Manifest::read(&handover.note)?.listen.port(),
        (port, _) => port,
    };
    if port == 0 && settings.control.is_none() {
        return open(settings, signals, None, lock);
    }
    let run_dir = lock(port)?;
    match (KeeperClient::find(&run_dir.keeper())?, stored) {
        (Some((keeper, handover)), stored) if !handover.note.is_empty() => {
            let kept: Vec<String> = names(&handover).collect();
            // It was told to store the same.
            let stored = stored.iter().flat_map(names).chain(kept.clone()).collect();
            resume(settings, signals, run_dir, (keeper, kept, stored), handover, rollback)
        }
        (None, Some(handover)) => {
            let keeper = KeeperClient::start(&run_dir.keeper(), spawn::keeper())?;
            let left = (keeper, Vec::new(), names(&handover).collect());
            resume(settings, signals, run_dir, left, handover, rollback)
        }
        (keeper, _) => {
            if let Some((keeper, _)) = keeper {
                // Its supervisor ended before any worker was started.
                keeper.leave().await;
            }
            open(settings, signals, Some(run_dir), lock)
        }
    }
}

fn open(
    settings: &Settings,
    signals: Signals,
    locked: Option<RunDir>,
    lock: impl FnOnce(u16) -> Result<RunDir, Error>,
) -> Result<Fleet<'_>, Error> {
    let Choice { mode, refused } = steering::choose(settings.mode);
    for refusal in &refused {
        let (mode, why) = (refusal.mode, refusal.why());
        // Of the build, not of the host: hardly anybody wants that.
        if matches!(refusal.error, steering::Error::NotBuilt) {
            warn!("mode {mode} is not possible: {why}");
        } else {
            info!("mode {mode} is not possible here: {why}");
        }
    }
    let steering = match steering::install(mode, &settings.plan) {
        Ok(steering) => steering,
        Err(error) => {
            if let Some(run_dir) = locked {
                run_dir.remove();
            }
            return Err(error.into());
        }
    };
    let mut run_dir = locked.map_or_else(|| lock(steering.address().port()), Ok)?;
    let mut opened = || -> Result<_, Error> {
        open_to_workers(&mut run_dir, settings)?;
        run_dir.clear()?;
        let control = run_dir.bind_control().and_then(Control::of);
        let control = control.step("open the control socket")?;
        let slots = settings.plan.mapping.slots();
        let bus = || BusSockets::open(&run_dir, slots);
        let bus = settings.embedded_bus.then(bus).transpose();
        let bus = bus.step("open the bus sockets of the slots")?;
        let leases = LeaseFiles::open(slots).step("make the accept leases")?;
        let keeper = KeeperClient::start(&run_dir.keeper(), spawn::keeper())?;
        let manager = ServiceManager::open().step("open a note for the next supervisor")?;
        Ok((control, bus, leases, HandoverWriter::new(keeper, manager)))
    };
    match opened() {
        Ok((control, bus, leases, handover)) => {
            let parts = Parts { steering, bus, leases, control, signals, handover, run_dir };
            Ok(Fleet::new(settings, parts, &refused))
        }
        Err(error) => {
            run_dir.remove();
            Err(error)
        }
    }
}

fn names(handover: &Handover) -> impl Iterator<Item = String> {
    handover.descriptors.keys().cloned()
}

/// Goes on where the earlier supervisor was, in the mode that it had. `kept` and `stored` are the names
/// of what keeper and service manager have.
fn resume<'a>(
    settings: &'a Settings,
    signals: Signals,
    mut run_dir: RunDir,
    (keeper, kept, stored): (KeeperClient, Vec<String>, Vec<String>),
    handover: Handover,
    rollback: &Rollback,
) -> Result<Fleet<'a>, Error> {
    let Handover { descriptors: mut left, note } = handover;
    let manifest = Manifest::read(&note)?;
    manifest.fits(settings)?;
    open_to_workers(&mut run_dir, settings)?;
    let mode = manifest.mode;
    let slots = settings.plan.mapping.slots();
    let mapping = manifest.in_force(&settings.plan.mapping);
    let plan = Plan { listen: manifest.listen, mapping, ..settings.plan.clone() };
    let steering = steering::resume(mode, &plan, &mut left, manifest.noted.clone())?;
    let control = Control::resume(&mut left).step("take over the control socket")?;
    let leases = LeaseFiles::resume(slots, &mut left).step("take over the accept leases")?;
    let bus = BusSockets::resume(slots, &mut left);
    if settings.embedded_bus && bus.is_none() {
        warn!("the earlier supervisor left no bus sockets: broadcasts do not cross workers");
    }
    let manager = ServiceManager::open().step("open a note for the next supervisor")?;
    let mut handover = HandoverWriter::new(keeper, manager);
    handover.assume_stored(kept, stored);
    let predecessor =
        if rollback.is_upgrade() { Predecessor::Upgraded } else { Predecessor::Killed };
    match predecessor {
        Predecessor::Upgraded => info!("goes on in the place of the program before, mode {mode}"),
        Predecessor::Killed => warn!("takes over from a supervisor that was killed, mode {mode}"),
    }
    let parts = Parts { steering, bus, leases, control, signals, handover, run_dir };
    let better: Vec<Refusal> = Mode::ALL
        .into_iter()
        .take_while(|&better| better != mode)
        .filter_map(|mode| steering::probe(mode).err().map(|error| Refusal { mode, error }))
        .collect();
    let mut fleet = Fleet::new(settings, parts, &better);
    fleet.resume(manifest, &mut left, predecessor, rollback.reason());
    Ok(fleet)
}

/// Workers of another user need a directory that they can enter.
fn open_to_workers(run_dir: &mut RunDir, settings: &Settings) -> Result<(), Error> {
    settings.user.as_ref().map_or(Ok(()), |user| run_dir.open_to(user))
}
