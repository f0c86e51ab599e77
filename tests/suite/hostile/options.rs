//! What a worker sets on its listener, and may not.

use harness::http::{for_each, get, whoami};
use harness::rights::{Right, missing};
use harness::{Mode, addresses, addresses_of_slot, digit_slot};
use rustix::process::Signal;

use super::{SLOT, WORKERS, ask, assert_served_by, hostile};
use crate::user::as_nobody;

in_every_kernel_mode!(a_listener_without_its_group, options_that_are_closed);

/// Where the kernel finds one first that is in no group, it asks no program.
fn a_listener_without_its_group(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let sticky = hostile(as_nobody(mode));
    for slot in 0..WORKERS {
        let client = addresses_of_slot(slot, WORKERS, 1)[0];
        let (_, said) = get(client, sticky.address(), "/option?1,15,0").unwrap();
        assert_eq!(said, "\"EPERM\"", "SO_REUSEPORT of slot {slot}");
        let clients = addresses(60);
        let slots = for_each(&clients, |&client| whoami(client, sticky.address()).unwrap().slot);
        for (&client, slot) in clients.iter().zip(slots) {
            assert_eq!(slot, digit_slot(client, WORKERS), "{client}");
        }
    }
    sticky.stop();
}

/// By whatever interface to the kernel.
fn options_that_are_closed(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    let sticky = hostile(as_nobody(mode));
    for (option, name) in [
        ("6,14,Z216", "TCP_MD5SIG"),
        ("6,32,Z216", "TCP_MD5SIG_EXT"),
        ("6,31,Z4", "TCP_ULP"),
        ("6,23,5", "TCP_FASTOPEN"),
        ("6,33,Z16", "TCP_FASTOPEN_KEY"),
        ("6,34,1", "TCP_FASTOPEN_NO_COOKIE"),
        ("6,38,Z288", "TCP_AO_ADD_KEY"),
        ("0,21,255", "IP_MINTTL"),
        ("41,73,255", "IPV6_MINHOPCOUNT"),
        ("1,25,Z16", "SO_BINDTODEVICE"),
        ("1,62,1", "SO_BINDTOIFINDEX"),
        ("1,26,Z16", "SO_ATTACH_FILTER"),
        ("1,27,0", "SO_DETACH_FILTER"),
        ("1,44,1", "SO_LOCK_FILTER"),
        ("1,50,0", "SO_ATTACH_BPF"),
    ] {
        let said: String = ask(&sticky, &format!("option?{option}"));
        assert_eq!(said, "EPERM", "{name}");
    }
    for option in ["1,2,1", "1,9,1", "1,8,65536", "6,1,1", "6,9,1", "0,2,64"] {
        let said: String = ask(&sticky, &format!("option?{option}"));
        assert_eq!(said, "done", "what programs do is not closed: {option}");
    }
    if cfg!(target_arch = "x86_64") {
        let said: String = ask(&sticky, "x32?1,15,0");
        assert_eq!(said, "EPERM", "by the numbers of x32");
        let how: i32 = ask(&sticky, "i386?1,15,0");
        let ends = [Signal::SYS, Signal::SEGV].map(|signal| -signal.as_raw());
        assert!(ends.contains(&how), "by a call of 32 bits: {how}");
    }
    assert_served_by(&sticky, sticky.worker(SLOT));
    sticky.stop();
}
