//! What cannot work is refused: what, why, what to do; an exit code; and nothing left behind.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use harness::addresses::free_port;
use harness::http::{for_each, whoami};
use harness::rights::{Right, User, missing};
use harness::{Mode, Redis, Sticky, StickyOptions, addresses, digit_slot};
use tempfile::TempDir;

const FAILED: i32 = 1;
const USAGE: i32 = 2;
const PASSWORD: &str = "open-sesame";

/// A right start but for the one thing that a test changes.
fn good() -> StickyOptions {
    Sticky::new(Mode::Cbpf, 2)
}

/// Starts what cannot work. `says` are words of what is wrong and of what to do.
#[track_caller]
fn refused(options: StickyOptions, code: i32, says: &[&str]) {
    let ended = options.fail();
    let text = &ended.stderr;
    assert_eq!(ended.code, Some(code), "{text}");
    assert_eq!(ended.stdout, "", "nothing is announced");
    for words in says {
        assert!(text.contains(words), "does not say {words:?}:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
    assert!(!text.contains(PASSWORD), "a password is in the log:\n{text}");
}

#[test]
fn options_that_mean_nothing() {
    let workers = "the number of workers is a number from 1 to 256";
    for wrong in ["0", "257", "abc", "-1", "4.5", ""] {
        refused(good().with("--workers", wrong), USAGE, &["--workers", workers]);
        refused(good().env("STICKY_WORKERS", wrong), USAGE, &["--workers", workers]);
    }
    refused(good().flag("--wrokers"), USAGE, &["--wrokers", "--workers", "--help"]);
    refused(good().with("--mode", "nginx"), USAGE, &["--mode", "auto, ebpf, cbpf and fd-passing"]);
    for wrong in ["nonsense", "127.0.0.1", "127.0.0.1:99999", "localhost:3000"] {
        refused(good().with("--listen", wrong), USAGE, &["--listen", wrong]);
    }
    for option in ["--ready-timeout", "--drain-timeout", "--restart-delay"] {
        refused(good().with(option, "soon"), USAGE, &[option, "500ms"]);
    }
}

#[test]
fn a_port_of_a_program_that_does_not_share() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let pid = format!("(pid {})", std::process::id());
    let says = ["cannot listen on", &address, "in use", &pid, "--listen"];
    refused(good().with("--listen", &address), FAILED, &says);
}

#[test]
fn a_port_that_sticky_serves_already() {
    let first = good().start();
    let address = first.address().to_string();
    let pid = first.pid().to_string();
    let says = ["cannot listen on", &address, "in use", &pid, "--listen"];
    refused(good().with("--listen", &address), FAILED, &says);

    // Whoever is refused has not taken a single connection.
    let clients = addresses(200);
    let answers = for_each(&clients, |&client| whoami(client, first.address()).unwrap());
    for (&client, answer) in clients.iter().zip(answers) {
        assert_eq!(answer.slot, digit_slot(client, 2), "{client}");
    }
    first.stop();
}

#[test]
fn a_port_of_another_user() {
    if missing(Right::Root) {
        return;
    }
    let theirs = good().user(User::Nobody).start();
    let address = theirs.address().to_string();
    let says = ["cannot listen on", &address, "in use", "user 65534", "--listen"];
    refused(good().with("--listen", &address), FAILED, &says);
    theirs.stop();
}

#[test]
fn an_address_of_another_host() {
    let says = ["cannot listen on 192.0.2.1:3000", "no address of this host", "ip address"];
    refused(good().with("--listen", "192.0.2.1:3000"), FAILED, &says);
}

#[test]
fn mode_ebpf_without_cap_bpf() {
    if missing(Right::Root) {
        return;
    }
    let options = Sticky::new(Mode::Ebpf, 2).user(User::Nobody);
    refused(options, FAILED, &["CAP_BPF", "setcap", "--mode"]);
}

#[test]
fn redis_urls_that_cannot_be_read() {
    let urls = [
        "127.0.0.1:6379",
        "http://127.0.0.1",
        "redis://",
        "redis://127.0.0.1:port",
        "redis://127.0.0.1/a",
        "redis://:open-sesame@",
        "redis://user:open-sesame@127.0.0.1:6379:6379",
        "open-sesame",
    ];
    for url in urls {
        let says = ["the URL of the Redis server", "redis://user:password@127.0.0.1:6379/0"];
        refused(good().with("--redis", url), USAGE, &says);
        refused(good().env("STICKY_REDIS", url), USAGE, &says);
    }
}

#[test]
fn redis_that_does_not_answer() {
    let server = format!("127.0.0.1:{}", free_port());
    let url = format!("redis://:{PASSWORD}@{server}/");
    let says = ["cannot reach Redis", &server, "***", "check that the server runs"];
    refused(good().with("--redis", url), FAILED, &says);
}

#[test]
fn redis_that_wants_another_password() {
    let redis = Redis::with_password("another");
    let without = redis.url().replace(":another@", "");
    refused(good().with("--redis", &without), FAILED, &["asks for a password", "redis://user:"]);
    let wrong = redis.url().replace("another", PASSWORD);
    refused(good().with("--redis", wrong), FAILED, &["refused the password", "check user"]);
}

#[test]
fn the_right_password_is_in_no_log() {
    let redis = Redis::with_password(PASSWORD);
    let sticky = good().with("--redis", redis.url()).with("--log", "trace").start();
    whoami(addresses(1)[0], sticky.address()).unwrap();
    let log = sticky.stop();
    assert!(log.contains("***"), "the server is named without it: {log}");
    assert!(!log.contains(PASSWORD), "{log}");
}

#[test]
fn a_worker_that_ends_at_once() {
    let says = ["the worker of slot", "exit code 1", "before all workers were ready"];
    refused(good().worker(["false"]), FAILED, &says);
}

#[test]
fn a_worker_that_never_gets_ready() {
    let options = good().worker(["sleep", "1000"]).with("--ready-timeout", "300ms");
    let says = ["the worker of slot", "not ready within 300ms", "READY=1", "--ready-timeout"];
    refused(options, FAILED, &says);
}

#[test]
fn a_worker_that_is_not_there() {
    let says = ["cannot execute", "/nowhere/worker", "No such file", "check its path"];
    refused(good().worker(["/nowhere/worker"]), FAILED, &says);
}

#[test]
fn a_control_socket_in_a_folder_of_everybody() {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let control = folder.path().join("control.sock");
    let ended = good().with("--control", &control).spawn().ended();
    assert_eq!(ended.code, Some(FAILED), "{}", ended.stderr);
    for words in ["not private", "0700", "--control"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was put there");
}

#[test]
fn a_status_of_nobody() {
    let control = good().control();
    let output = std::process::Command::new(harness::binaries::sticky())
        .args(["status", "--control"])
        .arg(&control)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(FAILED), "{text}");
    for words in ["no supervisor answers", &control.display().to_string(), "sticky run"] {
        assert!(text.contains(words), "{text}");
    }
}
