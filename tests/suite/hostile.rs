//! Workers that do what none should: nothing of it outlives them, and no other slot notices.

use std::fs;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;

use harness::http::{get, whoami};
use harness::rights::{Right, missing};
use harness::{Clients, Mode, Sticky, StickyOptions, addresses_of_slot, binaries, wait_until};
use rustix::fs::OFlags;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde::de::DeserializeOwned;

use crate::user::{PYTHON, as_nobody, folder, script_in};

mod left;
mod options;

in_every_mode!(
    a_lease_file_of_any_length,
    a_lease_that_another_program_has,
    a_bus_socket_that_is_shut_down,
    flags_of_standard_error,
);

const WORKERS: u32 = 3;
const SLOT: u32 = 1;

fn hostile(options: StickyOptions) -> Sticky {
    let script = script_in(&options, "hostile.py");
    options.worker([PathBuf::from(PYTHON), script]).start()
}

/// Lets the worker of the slot do something.
fn ask<T: DeserializeOwned>(sticky: &Sticky, what: &str) -> T {
    let client = addresses_of_slot(SLOT, WORKERS, 1)[0];
    let (_, answer) = get(client, sticky.address(), &format!("/{what}")).unwrap();
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{what}: {error}: {answer:?}"))
}

/// The worker that serves the slot, and nobody else, answers.
fn assert_served_by(sticky: &Sticky, worker: u32) {
    for client in addresses_of_slot(SLOT, WORKERS, 30) {
        let answer = whoami(client, sticky.address()).unwrap();
        assert_eq!((answer.slot, answer.pid), (SLOT, worker), "{client}");
    }
}

/// Of one slot the first worker is hostile; all others are of the library.
fn hostile_once(mode: Mode) -> Sticky {
    let options = as_nobody(mode);
    let script = script_in(&options, "hostile.py");
    let control = options.control();
    let folder = folder(&control);
    let (flags, library) = (folder.join("flags"), folder.join("worker"));
    fs::create_dir(&flags).unwrap();
    fs::set_permissions(&flags, fs::Permissions::from_mode(0o777)).unwrap();
    // By another process: see `binaries::sticky_for`.
    let install = Command::new("install").arg(binaries::conformance()).arg(&library).status();
    assert!(install.unwrap().success());
    for other in (0..WORKERS).filter(|&slot| slot != SLOT) {
        fs::write(flags.join(format!("slot-{other}")), "").unwrap();
    }
    let once = [PathBuf::from("--once"), flags.join("slot-"), library];
    options.worker([PathBuf::from(PYTHON), script]).worker_args(once).start()
}

/// The next worker looks for what its predecessor left in there.
fn a_lease_file_of_any_length(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let sticky = hostile_once(mode);
    let worker = sticky.worker(SLOT);
    let said: (String, (u64, String), String) =
        ask(&sticky, "die?several?truncate?8796093022208;write?100000000;truncate?0");
    assert_eq!((&*said.0, &*said.1.1, &*said.2), ("EPERM", "EPERM", "EPERM"), "{said:?}");
    assert!(said.1.0 <= 4 * 1024 * 1024, "{said:?}");
    let successor = sticky.wait_for_successor(SLOT, worker);
    let client = addresses_of_slot(SLOT, WORKERS, 1)[0];
    for _ in 0..3 {
        let path = "/socket.io/?EIO=4&transport=polling&sid=unknown";
        let (status, _) = get(client, sticky.address(), path).unwrap();
        assert_eq!(status, 400);
    }
    assert_eq!(sticky.worker(SLOT), successor);
    sticky.stop();
}

/// The next worker of the slot hears the others, and is heard.
fn a_bus_socket_that_is_shut_down(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let sticky = hostile_once(mode);
    let worker = sticky.worker(SLOT);
    let said: String = ask(&sticky, "die?shut?bus");
    assert_eq!(said, "done");
    sticky.wait_for_successor(SLOT, worker);
    wait_until("all are on the bus", || {
        let slots = sticky.status().slots;
        slots.iter().all(|slot| slot.bus.is_some_and(|bus| bus.peers == 2)).then_some(())
    });
    let clients = Clients::new();
    let connect = |slot| clients.connect(sticky.address(), addresses_of_slot(slot, WORKERS, 1)[0]);
    let all: Vec<_> = (0..WORKERS).map(connect).collect();
    for (number, from) in all.iter().enumerate() {
        from.ask::<()>("emit", serde_json::json!([{}, "said", format!("by {number}")]));
    }
    for client in &all {
        let mut heard: Vec<String> = client.heard("said", all.len());
        heard.sort();
        assert_eq!(heard, ["by 0", "by 1", "by 2"]);
    }
    sticky.stop();
}

/// What a worker does to its standard error is not done to the supervisor's, and to no other worker's.
fn flags_of_standard_error(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let sticky = hostile(as_nobody(mode));
    let before = flags_of_stderr(sticky.pid());
    let said: String = ask(&sticky, &format!("flags?2,{}", OFlags::NONBLOCK.bits()));
    assert_eq!(said, "done");
    assert!(flags_of_stderr(sticky.worker(SLOT)).contains(OFlags::NONBLOCK));
    assert_eq!(flags_of_stderr(sticky.pid()), before);
    assert!(!flags_of_stderr(sticky.worker(0)).contains(OFlags::NONBLOCK));
    sticky.stop();
}

fn flags_of_stderr(process: u32) -> OFlags {
    let info = fs::read_to_string(format!("/proc/{process}/fdinfo/2")).unwrap();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
    OFlags::from_bits_retain(u32::from_str_radix(flags.trim(), 8).unwrap())
}

/// To whom a worker gave the descriptor.
fn a_lease_that_another_program_has(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let options = as_nobody(mode);
    let path = folder(&options.control()).join("elsewhere.sock");
    let elsewhere = UnixDatagram::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let sticky = hostile(options);
    let worker = sticky.worker(SLOT);
    let sent: String = ask(&sticky, &format!("die?give?accept-lease,{}", path.display()));
    assert_eq!(sent, "done");
    let lease = received(&elsewhere);
    let successor = sticky.wait_for_successor(SLOT, worker);
    assert_served_by(&sticky, successor);
    drop(lease);
    let log = sticky.stop();
    assert!(log.contains("has the slot's accept lease; the lease is made anew"), "{log}");
}

fn received(socket: &UnixDatagram) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut text = [0; 8];
    recvmsg(socket, &mut [IoSliceMut::new(&mut text)], &mut control, RecvFlags::empty()).unwrap();
    let messages = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    messages.flatten().next().unwrap()
}
