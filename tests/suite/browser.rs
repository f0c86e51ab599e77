//! The page of the reference application, in a real browser.

use std::net::Ipv4Addr;

use harness::{Mode, Sticky, digit_slot, node};
use serde::Deserialize;
use serde_json::json;

in_modes!(ebpf: Ebpf, [two_people_chat]);

const WORKERS: u32 = 4;

/// What `browser.mjs` saw.
#[derive(Debug, Deserialize)]
struct Page {
    slot: String,
    pid: u32,
    peer: String,
    mode: String,
    shown: Vec<String>,
    errors: Vec<String>,
}

fn two_people_chat(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).start();
    let input = json!({ "url": format!("http://{}/", sticky.address()) });
    let page: Page = node("browser.mjs", &input);

    let slot = digit_slot(Ipv4Addr::LOCALHOST, WORKERS);
    assert_eq!(page.slot, format!("slot {slot}"));
    assert_eq!(page.pid, sticky.worker(slot));
    assert_eq!(page.mode, mode.name());
    assert!(page.peer.starts_with("127.0.0.1:"), "{}", page.peer);
    for text in &page.shown {
        assert!(text.contains(&format!("slot {slot}")), "the message tells its worker: {text}");
    }
    assert!(page.errors.is_empty(), "{:?}", page.errors);
    sticky.stop();
}
