//! A worker whose clients have taken all the open files that it may have.

use std::net::TcpStream;

use harness::http::{connect, whoami};
use harness::{Mode, Sticky, addresses_of_slot, binaries, wait_until};

in_every_mode!(idle_clients_do_not_have_their_worker_killed);

const WORKERS: u32 = 2;
const SLOT: u32 = 1;
/// As many open files as a worker may have, and more clients than that.
const OPEN_FILES: usize = 300;
const CLIENTS: usize = 400;
/// Long enough to be taken for hung twice, in seconds.
const LONG: f64 = 5.0;

fn idle_clients_do_not_have_their_worker_killed(mode: Mode) {
    let script = format!("ulimit -n {OPEN_FILES} && exec \"$0\" app");
    let sticky = Sticky::new(mode, WORKERS)
        .with("--watchdog", "2s")
        .worker(["sh".into(), "-c".into(), script.into(), binaries::sticky()])
        .start();
    let worker = sticky.worker(SLOT);
    let clients = addresses_of_slot(SLOT, WORKERS, 1)[0];
    let idle: Vec<TcpStream> =
        (0..CLIENTS).map(|_| connect(clients, sticky.address()).unwrap()).collect();
    let full = "no descriptor is left for another client";
    sticky.stderr.wait_for_text(full);
    let uptime = || sticky.status().slots[SLOT as usize].uptime_seconds.unwrap();
    let lived = uptime();
    wait_until("the worker has lived on", || {
        assert_eq!(sticky.worker(SLOT), worker, "{}", sticky.stderr.text());
        (uptime() > lived + LONG).then_some(())
    });
    drop(idle);
    assert_eq!(whoami(clients, sticky.address()).unwrap().pid, worker, "it serves again");

    // With as many clients as before a reload is as it is without.
    let idle: Vec<TcpStream> =
        (0..CLIENTS).map(|_| connect(clients, sticky.address()).unwrap()).collect();
    assert_eq!(sticky.reload().code, Some(0));
    drop(idle);
    assert_ne!(whoami(clients, sticky.address()).unwrap().pid, worker);
    let log = sticky.stop();
    let said = log.lines().filter(|line| line.contains(full)).count();
    assert!(said <= 2, "once by each of the two workers: {log}");
}
