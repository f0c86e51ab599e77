//! The page of the reference application, in a real browser.

use std::net::Ipv4Addr;

use harness::{Mode, Sticky, binaries, digit_slot, node};
use serde::Deserialize;
use serde_json::json;

in_modes!(ebpf: Ebpf, [two_people_chat, a_reload_ends_a_session_that_polls_once]);
in_modes!(cbpf: Cbpf, [a_reload_ends_a_session_that_polls_once]);
in_modes!(fd_passing: FdPassing, [a_reload_ends_a_session_that_polls_once]);

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

/// A page that polls comes back over a connection that it has kept, perhaps while the worker that it
/// had still drains: it is not given a session there, only to lose it again.
fn a_reload_ends_a_session_that_polls_once(mode: Mode) {
    const PAGES: usize = 3;
    const RELOADS: usize = 3;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Round {
        disconnects: Vec<String>,
        turned_away: Vec<String>,
    }

    let sticky = Sticky::new(mode, 1).start();
    let binary = binaries::sticky();
    let input = json!({
        "url": format!("http://{}/?transport=polling", sticky.address()),
        "pages": PAGES,
        "reloads": RELOADS,
        "command": [binary.to_str(), Some("reload"), Some("--control"), sticky.control().to_str()],
    });
    let rounds: Vec<Vec<Round>> = node("reloads.mjs", &input);
    assert_eq!(rounds.len(), RELOADS);
    for seen in rounds.iter().flatten() {
        assert_eq!(seen.disconnects, ["transport close"], "{rounds:#?}");
        assert!(seen.turned_away.is_empty(), "{rounds:#?}");
    }
    sticky.stop();
}
