//! As much right as a mode needs, and no more.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use harness::addresses::free_port;
use harness::http::{for_each, whoami};
use harness::rights::{Right, User, effective, missing};
use harness::{
    Cli, DEADLINE, Mode, Sticky, StickyOptions, addresses, addresses_of_slot, digit_slot, send,
    wait_until,
};
use rustix::process::Signal;
use rustix::thread::CapabilitySet;

const WORKERS: u32 = 5;
const NONE: CapabilitySet = CapabilitySet::empty();

fn auto() -> StickyOptions {
    Sticky::new(Mode::Cbpf, WORKERS).with("--mode", "auto")
}

/// Clients are where they belong, and a worker that dies has a successor.
fn serves(sticky: &Sticky, mode: Mode, rights: CapabilitySet) {
    assert_eq!(sticky.status().mode, mode);
    assert_eq!(effective(sticky.pid()), rights);
    let clients = addresses(500);
    let answers = for_each(&clients, |&client| whoami(client, sticky.address()).unwrap());
    for (&client, answer) in clients.iter().zip(answers) {
        assert_eq!((answer.slot, answer.mode.as_str()), (digit_slot(client, WORKERS), mode.name()));
        assert_eq!(effective(answer.pid) - rights, NONE, "a worker has no more than that");
    }

    let slot = WORKERS - 1;
    let first = sticky.worker(slot);
    send(first, Signal::KILL);
    let successor = sticky.wait_for_successor(slot, first);
    let client = addresses_of_slot(slot, WORKERS, 1)[0];
    assert_eq!(whoami(client, sticky.address()).unwrap().pid, successor);
}

#[test]
fn cbpf_needs_none() {
    if missing(Right::Root) {
        return;
    }
    let sticky = Sticky::new(Mode::Cbpf, WORKERS).user(User::Nobody).start();
    serves(&sticky, Mode::Cbpf, NONE);
    assert!(sticky.status().refused.is_empty(), "nothing better was asked for");
    sticky.stop();
}

#[test]
fn fd_passing_needs_none() {
    if missing(Right::Root) {
        return;
    }
    let sticky = Sticky::new(Mode::FdPassing, WORKERS).user(User::Nobody).start();
    serves(&sticky, Mode::FdPassing, NONE);
    sticky.stop();
}

#[test]
fn ebpf_needs_cap_bpf_alone() {
    if missing(Right::Root) {
        return;
    }
    let sticky = Sticky::new(Mode::Ebpf, WORKERS).user(User::NobodyWithBpf).start();
    serves(&sticky, Mode::Ebpf, CapabilitySet::BPF);
    let counters = sticky.status().counters.unwrap();
    assert_eq!(counters.selected(), 501, "those of `serves`");
    sticky.stop();
}

#[test]
fn auto_without_cap_bpf_says_why_not_ebpf() {
    if missing(Right::Root) {
        return;
    }
    let sticky = auto().user(User::Nobody).start();
    serves(&sticky, Mode::Cbpf, NONE);

    let refused = sticky.status().refused;
    assert_eq!(refused.iter().map(|refused| refused.mode).collect::<Vec<_>>(), [Mode::Ebpf]);
    let status = Cli::new(["status", "--control"]).args([sticky.control()]).prints();
    assert!(status.lines().next().unwrap().contains("mode cbpf"), "{status}");
    let announced = sticky.stdout.text();
    assert!(announced.contains("mode cbpf"), "{announced}");
    let log = sticky.stop();

    let told = |text: &str, start: &str| {
        text.lines()
            .find(|line| line.contains(start))
            .unwrap_or_else(|| panic!("{text}"))
            .to_owned()
    };
    let in_status = told(&status, "not ebpf: ");
    let in_log = told(&log, "mode ebpf is not possible here: ");
    for why in [&refused[0].why, &in_status, &in_log] {
        assert!(why.contains("CAP_BPF") && why.contains("setcap"), "{why}");
    }
}

#[test]
fn auto_with_cap_bpf_takes_ebpf() {
    if missing(Right::Root) {
        return;
    }
    let sticky = auto().user(User::NobodyWithBpf).start();
    serves(&sticky, Mode::Ebpf, CapabilitySet::BPF);
    assert!(sticky.status().refused.is_empty());
    let log = sticky.stop();
    assert!(!log.contains("not possible"), "{log}");
}

/// A supervisor that may not attach a socket filter keeps the SYN gate closed in another way.
#[test]
fn the_syn_gate_closes_without_cap_net_admin() {
    if missing(Right::Root) {
        return;
    }
    for (mode, user) in [(Mode::Cbpf, User::Nobody), (Mode::Ebpf, User::NobodyWithBpf)] {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let options = Sticky::new(mode, WORKERS).with("--listen", server.to_string()).user(user);
        let refused = AtomicUsize::new(0);
        let clients = addresses(800);
        let sticky = thread::scope(|scope| {
            for clients in clients.chunks(100) {
                scope.spawn(|| knock(clients, server, &refused));
            }
            let tried = || (refused.load(Ordering::Relaxed) > 0).then_some(());
            wait_until("clients are refused", tried);
            options.start()
        });
        sticky.stop();
    }
}

/// Each client tries without a pause until it is served, from the first moment by the right slot.
fn knock(clients: &[Ipv4Addr], server: SocketAddr, refused: &AtomicUsize) {
    let end = Instant::now() + DEADLINE;
    for &client in clients {
        let answer = loop {
            match whoami(client, server) {
                Ok(answer) => break answer,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    assert!(Instant::now() < end, "it never started");
                }
                Err(error) => panic!("{client}: {error}"),
            }
        };
        assert_eq!(answer.slot, digit_slot(client, WORKERS), "{client}");
    }
}
