//! Processes that are killed: nobody but their own accepted connections notices.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use harness::http::{connect, for_each, read_whoami, send_get, whoami};
use harness::{
    Mode, Sticky, addresses, addresses_of_slot, binaries, digit_slot, pause, send, wait_until,
};
use rustix::process::Signal;

in_every_mode!(a_worker_under_load, connections_that_wait_are_served_by_the_successor);
in_every_kernel_mode!(
    the_supervisor,
    a_listener_that_its_worker_shuts_down,
    a_listener_that_is_shut_down_by_a_worker_that_goes_on,
);

const WORKERS: u32 = 4;
const VICTIM: u32 = 2;

/// Clients of one slot, at work until told to stop.
#[derive(Default)]
struct Load {
    answers: AtomicUsize,
    errors: AtomicUsize,
}

impl Load {
    fn run(&self, slot: u32, sticky: &Sticky, stop: &AtomicBool) {
        let clients = addresses_of_slot(slot, WORKERS, 50);
        for &client in clients.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
            match whoami(client, sticky.address()) {
                Ok(answer) => {
                    assert_eq!(answer.slot, slot, "{client}");
                    self.answers.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => {
                    self.errors.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn wait_for_more(&self) {
        let before = self.answers.load(Ordering::Relaxed);
        let more = || (self.answers.load(Ordering::Relaxed) >= before + 30).then_some(());
        wait_until("clients get answers", more);
    }
}

fn a_worker_under_load(mode: Mode) {
    /// Each has at most one connection with the victim when it dies.
    const CLIENTS_AT_A_TIME: usize = 2;

    let sticky = Sticky::new(mode, WORKERS).start();
    let before: Vec<u32> = (0..WORKERS).map(|slot| sticky.worker(slot)).collect();
    let victim = before[VICTIM as usize];
    let loads: Vec<Load> = (0..WORKERS).map(|_| Load::default()).collect();
    let stop = AtomicBool::new(false);
    let all_answered = || loads.iter().for_each(Load::wait_for_more);

    thread::scope(|scope| {
        let (sticky, stop) = (&sticky, &stop);
        for (slot, load) in (0..).zip(&loads) {
            for _ in 0..CLIENTS_AT_A_TIME {
                scope.spawn(move || load.run(slot, sticky, stop));
            }
        }
        all_answered();
        send(victim, Signal::KILL);
        sticky.wait_for_successor(VICTIM, victim);
        all_answered();
        stop.store(true, Ordering::Relaxed);
    });

    for (slot, load) in (0..).zip(&loads) {
        let errors = load.errors.load(Ordering::Relaxed);
        let allowed = if slot == VICTIM { CLIENTS_AT_A_TIME } else { 0 };
        assert!(errors <= allowed, "slot {slot}: {errors} errors, {allowed} connections were lost");
    }
    for slot in sticky.status().slots {
        let replaced = slot.slot == VICTIM;
        assert_eq!(slot.restarts, u64::from(replaced), "restarts of slot {}", slot.slot);
        assert_eq!(slot.pid != Some(before[slot.slot as usize]), replaced, "slot {}", slot.slot);
    }
    let log = sticky.stop();
    assert!(log.contains("killed by signal 9; the next one starts in 100ms"), "{log}");
}

fn connections_that_wait_are_served_by_the_successor(mode: Mode) {
    const WAITING: usize = 100;

    let sticky = Sticky::new(mode, WORKERS).start();
    let victim = sticky.worker(VICTIM);
    pause(victim);
    let clients = addresses_of_slot(VICTIM, WORKERS, WAITING);
    let connections = for_each(&clients, |&client| {
        let stream = connect(client, sticky.address()).unwrap();
        send_get(&stream, "/whoami").unwrap();
        stream
    });
    wait_until("all wait for the worker", || {
        let slot = &sticky.status().slots[VICTIM as usize];
        let queue = u64::from(slot.queue?);
        // In the kernel's modes all wait in the listener. In fd-passing some have been passed on
        // and wait in the slot's socket, the others with the supervisor.
        let passed = if mode == Mode::FdPassing { slot.steered? } else { 0 };
        (queue + passed == WAITING as u64).then_some(())
    });
    send(victim, Signal::KILL);
    let successor = sticky.wait_for_successor(VICTIM, victim);
    for (client, stream) in clients.iter().zip(&connections) {
        let answer = read_whoami(stream).unwrap();
        assert_eq!((answer.slot, answer.pid), (VICTIM, successor), "{client}");
        assert_eq!(answer.peer, stream.local_addr().unwrap());
    }
    sticky.stop();
}

/// In the kernel's modes it is in nobody's way, alive or dead.
fn the_supervisor(mode: Mode) {
    let mut sticky = Sticky::new(mode, WORKERS).start();
    let workers: Vec<u32> = (0..WORKERS).map(|slot| sticky.worker(slot)).collect();
    sticky.signal(Signal::KILL);
    sticky.wait();

    let clients = addresses(400);
    let answers = for_each(&clients, |&client| whoami(client, sticky.address()).unwrap());
    for (&client, answer) in clients.iter().zip(answers) {
        let slot = digit_slot(client, WORKERS);
        assert_eq!((answer.slot, answer.pid), (slot, workers[slot as usize]), "{client}");
    }

    // What it left behind does not keep the next one from starting.
    let control = sticky.control().to_owned();
    sticky.kill_all();
    assert!(control.exists(), "a supervisor that is killed cannot tidy up");
    Sticky::new(mode, WORKERS).with("--control", control).start().stop();
}

/// `shutdown()` by one process ends a listener for all of them. It is opened again, at its place.
fn a_listener_that_its_worker_shuts_down(mode: Mode) {
    let worker = binaries::worker_script("worker.py");
    let sticky = Sticky::new(mode, WORKERS)
        .worker(["python3".into(), worker.into_os_string()])
        .worker_args(["--shut-listener-at-slot", &VICTIM.to_string()])
        .start();
    let before = sticky.worker(VICTIM);
    let client = addresses_of_slot(VICTIM, WORKERS, 1)[0];
    assert_eq!(whoami(client, sticky.address()).unwrap().pid, before);
    sticky.stderr.wait_for_text("the worker had shut its listener down; it listens again");
    sticky.wait_for_successor(VICTIM, before);

    let clients: Vec<_> = addresses(200)
        .into_iter()
        .filter(|&client| digit_slot(client, WORKERS) != VICTIM)
        .collect();
    let answers = for_each(&clients, |&client| whoami(client, sticky.address()).unwrap());
    for (&client, answer) in clients.iter().zip(answers) {
        assert_eq!(answer.slot, digit_slot(client, WORKERS), "{client}");
    }
    assert_eq!(whoami(client, sticky.address()).unwrap().slot, VICTIM);
    sticky.stop();
}

/// Nobody has to die for it.
fn a_listener_that_is_shut_down_by_a_worker_that_goes_on(mode: Mode) {
    let worker = binaries::worker_script("worker.py");
    let sticky = Sticky::new(mode, WORKERS)
        .worker(["python3".into(), worker.into_os_string()])
        .worker_args(["--stay", "--shut-listener-at-slot", &VICTIM.to_string()])
        .start();
    let before = sticky.worker(VICTIM);
    let clients = addresses_of_slot(VICTIM, WORKERS, 20);
    assert_eq!(whoami(clients[0], sticky.address()).unwrap().pid, before);
    sticky.stderr.wait_for_text("the worker had shut its listener down; it listens again");
    for client in clients {
        assert_eq!(whoami(client, sticky.address()).unwrap().pid, before, "the same worker");
    }
    assert_eq!(sticky.status().slots[VICTIM as usize].restarts, 0);
    sticky.stop();
}
