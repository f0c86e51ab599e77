//! `--log-steering`: a line for each decision, and none without it.

use harness::http::whoami;
use harness::{Mode, Sticky, addresses, digit_slot};

const WORKERS: u32 = 5;

in_modes!(ebpf: Ebpf, [a_line_for_each_decision, none_without_being_asked]);

fn a_line_for_each_decision(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).flag("--log-steering").start();
    let clients = addresses(20);
    for &client in &clients {
        whoami(client, sticky.address()).unwrap();
    }
    for client in &clients {
        let key = client.to_string().replace('.', "");
        let slot = digit_slot(*client, WORKERS);
        sticky.stderr.wait_for_text(&format!("key {key} -> slot {slot}"));
    }
    assert_eq!(sticky.stderr.lines_with(" -> slot ").len(), clients.len());
    sticky.stop();
}

fn none_without_being_asked(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).start();
    for client in addresses(20) {
        whoami(client, sticky.address()).unwrap();
    }
    let log = sticky.stop();
    assert!(!log.contains(" -> slot "), "{log}");
}
