//! Those whom the supervisor tells something, and who do not listen, hold up nobody.

use std::os::unix::net::UnixDatagram;
use std::thread;

use harness::http::whoami;
use harness::{Ended, Mode, Sticky, addresses_of_slot, pause, wait_until};
use rustix::process::Signal;
use tempfile::TempDir;

in_every_mode!(
    a_keeper_that_is_stopped,
    a_service_manager_that_does_not_read,
    a_log_that_nobody_reads,
);

fn a_keeper_that_is_stopped(mode: Mode) {
    /// More than a keeper can be told of without reading.
    const WORKERS: u32 = 16;

    let mut sticky = Sticky::new(mode, WORKERS).start();
    let keeper = sticky.keeper();
    pause(keeper);
    let reload = thread::scope(|scope| {
        let reload = scope.spawn(|| sticky.reload());
        // Each has its answer before the command gives up on a supervisor that does not answer.
        while !reload.is_finished() {
            assert_eq!(sticky.status().pid, sticky.pid());
        }
        reload.join().unwrap()
    });
    let Ended { code, stdout, stderr } = reload;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    sticky.stderr.wait_for_text("the keeper takes nothing; ending it and starting another one");
    wait_until("another keeper", || {
        let processes = sticky.processes();
        let keepers: Vec<_> = processes.iter().filter(|it| it.contains(" keep")).collect();
        (keepers.len() == 1 && !keepers[0].starts_with(&keeper.to_string())).then_some(())
    });

    // The next supervisor finds all of the workers, and so they end with it.
    let orphans = sticky.workers();
    sticky.kill_supervisor();
    sticky.start_again();
    assert_eq!(sticky.status().takeovers, 1);
    sticky.wait_for_other_workers(&orphans);
    sticky.stop();
}

fn a_service_manager_that_does_not_read(mode: Mode) {
    const WORKERS: u32 = 4;

    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let path = folder.path().join("notify.sock");
    let manager = UnixDatagram::bind(&path).unwrap();
    let mut sticky = Sticky::new(mode, WORKERS)
        .env("NOTIFY_SOCKET", path.as_os_str())
        .env("FDSTORE", "1000")
        .start();
    assert_eq!(sticky.reload().code, Some(0));
    let client = addresses_of_slot(1, WORKERS, 1)[0];
    assert_eq!(whoami(client, sticky.address()).unwrap().slot, 1);

    // All is told as soon as it reads.
    let mut told = String::new();
    let mut hear = |what: &str| {
        while !told.contains(what) {
            let mut message = [0; 4096];
            let length = manager.recv(&mut message).unwrap();
            told += &String::from_utf8_lossy(&message[..length]);
        }
    };
    hear("READY=1");
    hear("RELOADING=1");
    hear("FDNAME=sticky.control");
    for worker in sticky.workers() {
        hear(&format!("FDNAME=sticky.process-{worker}\n"));
    }

    assert_eq!(sticky.reload().code, Some(0), "it does not read any more");
    sticky.signal(Signal::TERM);
    assert_eq!(sticky.wait().code(), Some(0));
    // What it has not read holds sockets.
    drop(manager);
    sticky.assert_nothing_left();
}

fn a_log_that_nobody_reads(mode: Mode) {
    const WORKERS: u32 = 2;

    let mut sticky = Sticky::new(mode, WORKERS).with("--log", "debug").unread().spawn();
    wait_until("it serves", || (sticky.command("status").run().code == Some(0)).then_some(()));
    let status = wait_until("all workers are ready", || {
        let status = sticky.status();
        status.slots.iter().all(|slot| slot.state == "ready").then_some(status)
    });
    let serves = || {
        let client = addresses_of_slot(1, WORKERS, 1)[0];
        assert_eq!(whoami(client, status.listen).unwrap().slot, 1);
    };
    serves();
    assert_eq!(sticky.reload().code, Some(0));
    serves();
    assert_eq!(sticky.command("upgrade").run().code, Some(0));
    serves();
    sticky.signal(Signal::TERM);
    assert_eq!(sticky.wait().code(), Some(0));
    sticky.assert_nothing_left();
}
