//! Somebody removes what is in use: the run directory, or sockets in it.

use std::fs;

use harness::http::whoami;
use harness::{
    Client, Clients, Ended, Mode, Sticky, addresses_of_slot, binaries, send, wait_until,
};
use rustix::process::Signal;
use serde_json::json;

in_every_mode!(
    the_directory_is_made_anew,
    after_an_upgrade_who_is_lost_to_the_bus_is_replaced,
    sockets_are_made_anew_while_nothing_else_happens,
    a_reload_that_cannot_start_a_worker_fails,
);

const WORKERS: u32 = 2;

fn clients_of_all<'a>(sticky: &Sticky, clients: &'a Clients) -> Vec<Client<'a>> {
    let connect = |slot| {
        let from = addresses_of_slot(slot, WORKERS, 1)[0];
        clients.connect(sticky.address(), from)
    };
    (0..WORKERS).map(connect).collect()
}

/// A worker that dies has a successor, a reload replaces all, broadcasts reach all.
fn the_directory_is_made_anew(mode: Mode) {
    let mut sticky = Sticky::new(mode, WORKERS).worker([binaries::conformance()]).start();
    let directory = sticky.control().parent().unwrap().to_path_buf();
    let before = sticky.workers();
    fs::remove_dir_all(&directory).unwrap();

    send(before[1], Signal::KILL);
    wait_until("the control socket is there again", || sticky.control().exists().then_some(()));
    // The other one, whom nobody finds on the bus any more, is replaced without being asked.
    let workers = sticky.wait_for_other_workers(&before);
    sticky.stderr.wait_for_text("reload: all workers have been replaced");
    let Ended { code, stdout, stderr } = sticky.reload();
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let after = sticky.wait_for_other_workers(&workers);
    assert!(after.iter().all(|worker| !workers.contains(worker)));
    let clients = Clients::new();
    let all = clients_of_all(&sticky, &clients);
    for client in &all {
        client.ask::<()>("emit", json!([{}, "said", "to all"]));
    }
    for client in &all {
        let heard: Vec<String> = client.heard("said", all.len());
        assert_eq!(heard.len(), all.len());
        client.assert_well();
    }

    // Whoever follows finds everything.
    let orphans = sticky.workers();
    sticky.kill_supervisor();
    sticky.start_again();
    assert_eq!(sticky.status().takeovers, 1);
    sticky.wait_for_other_workers(&orphans);
    let log = sticky.stop();
    assert!(!log.contains("ERROR"), "{log}");
}

/// A worker says how its bus is doing when that changes, so not to the next program.
fn after_an_upgrade_who_is_lost_to_the_bus_is_replaced(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).worker([binaries::conformance()]).start();
    let buses = || sticky.status().slots.into_iter().map(|slot| slot.bus).collect::<Vec<_>>();
    let all_up = || buses().iter().all(|bus| bus.is_some_and(|bus| bus.up && bus.peers == 1));
    wait_until("the bus of each worker is up", || all_up().then_some(()));
    let (workers, before) = (sticky.workers(), buses());
    assert_eq!(sticky.upgrade().code, Some(0));
    assert_eq!(buses(), before, "what they said is known");

    fs::remove_dir_all(sticky.control().parent().unwrap()).unwrap();
    send(workers[1], Signal::KILL);
    wait_until("the control socket is there again", || sticky.control().exists().then_some(()));
    sticky.wait_for_other_workers(&workers);
    sticky.stop();
}

fn sockets_are_made_anew_while_nothing_else_happens(mode: Mode) {
    let mut sticky = Sticky::new(mode, WORKERS)
        .with("--watchdog", "4s")
        .worker([binaries::test_worker()])
        .start();
    let workers = sticky.workers();
    let keeper = sticky.keeper();
    let held = descriptors(keeper);
    let directory = sticky.control().parent().unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    wait_until("the control socket is there again", || sticky.control().exists().then_some(()));
    wait_until("there is one keeper, another, which holds as much", || {
        let keepers = sticky.processes().into_iter().filter(|it| it.contains(" keep")).count();
        (keepers == 1 && sticky.keeper() != keeper && descriptors(sticky.keeper()) >= held)
            .then_some(())
    });
    assert_eq!(sticky.workers(), workers, "nobody was taken for hung");
    let client = addresses_of_slot(0, WORKERS, 1)[0];
    assert_eq!(whoami(client, sticky.address()).unwrap().pid, workers[0]);

    sticky.kill_supervisor();
    sticky.start_again();
    sticky.wait_for_other_workers(&workers);
    sticky.stop();
}

/// How many open files a process has; none when it has gone.
fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

fn a_reload_that_cannot_start_a_worker_fails(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).worker([binaries::test_worker()]).start();
    let workers = sticky.workers();
    // Somebody's directories are where the next workers' sockets are to be.
    let directory = sticky.control().parent().unwrap();
    let obstacles = (2..20).map(|number| directory.join(format!("notify-0-{number}.sock")));
    let obstacles: Vec<_> = obstacles.collect();
    for obstacle in &obstacles {
        fs::create_dir(obstacle).unwrap();
    }
    let Ended { code, stdout, stderr } = sticky.reload();
    assert_eq!((code, stdout.as_str()), (Some(1), "slot 0: a new worker starts"), "{stderr}");
    let why = "slot 0 was not reloaded: its new worker cannot be started";
    assert!(stderr.contains(why) && stderr.contains("directory"), "{stderr}");
    assert_eq!(sticky.workers(), workers, "the old ones serve");

    // No more than that of a slot that has no worker.
    send(workers[0], Signal::KILL);
    wait_until("the slot has no worker", || {
        (sticky.status().slots[0].state == "backing-off").then_some(())
    });
    let Ended { code, stdout, stderr } = sticky.reload();
    assert_eq!((code, stdout.as_str()), (Some(1), "slot 0: a new worker starts"), "{stderr}");
    assert!(stderr.contains(why), "{stderr}");
    for obstacle in &obstacles {
        fs::remove_dir(obstacle).unwrap();
    }
    sticky.wait_for_successor(0, workers[0]);
    assert_eq!(sticky.reload().code, Some(0));
    sticky.stop();
}
