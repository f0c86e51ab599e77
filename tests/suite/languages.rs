//! Workers in other languages, and a worker that somebody else wrote.

use std::process::Command;

use harness::http::{for_each, get};
use harness::{Mode, Sticky, addresses, binaries, digit_slot, rights};
use serde_json::Value;

in_every_mode!(python, an_example, what_is_served_is_told);
in_every_kernel_mode!(node);

const WORKERS: u32 = 3;

fn python(mode: Mode) {
    let worker = binaries::worker_script("worker.py");
    speaks(mode, "Python", &["python3".into(), worker.into()]);
}

fn node(mode: Mode) {
    if Command::new("systemd-notify").arg("--version").output().is_err() {
        rights::skip("needs systemd-notify");
        return;
    }
    let worker = binaries::worker_script("worker.mjs");
    speaks(mode, "JavaScript", &["node".into(), worker.into()]);
}

fn speaks(mode: Mode, language: &str, command: &[std::ffi::OsString]) {
    let sticky = Sticky::new(mode, WORKERS).worker(command).start();
    let clients = addresses(100);
    let answers = for_each(&clients, |&client| get(client, sticky.address(), "/").unwrap().1);
    for (&client, answer) in clients.iter().zip(answers) {
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["slot"], digit_slot(client, WORKERS), "{client}");
        assert_eq!(answer["workers"], WORKERS);
        assert_eq!(answer["mode"], mode.name());
        assert_eq!(answer["language"], language);
        assert!(answer["peer"].as_str().unwrap().starts_with(&format!("{client}:")), "{answer}");
    }
    sticky.stop();
}

fn an_example(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).worker([binaries::greeter()]).start();
    for client in addresses(30) {
        let (status, body) = get(client, sticky.address(), "/").unwrap();
        let slot = digit_slot(client, WORKERS);
        assert_eq!(status, 200);
        assert!(body.starts_with(&format!("slot {slot} ")), "{client}: {body}");
    }
    sticky.stop();
}

/// The reference application is named, to whom it is served, and that its broadcasts cross workers;
/// of a program that somebody wrote nobody knows.
fn what_is_served_is_told(mode: Mode) {
    let chat = "no command given: serves the reference application, a chat, to everybody";
    let crosses = "broadcasts cross workers over the embedded bus";
    let sticky = Sticky::new(mode, 1).start();
    let line = sticky.stderr.wait_for_text(chat);
    assert!(line.contains(&sticky.address().to_string()), "{line}");
    assert!(sticky.stop().contains(crosses));

    let worker = binaries::worker_script("worker.py");
    let log = Sticky::new(mode, 1).worker(["python3".into(), worker]).start().stop();
    assert!(!log.contains(chat) && !log.contains(crosses), "{log}");
    assert!(log.contains("workers are offered the embedded bus"), "{log}");
}
