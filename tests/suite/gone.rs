//! What is asked of a supervisor that is not there, or does not run.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;

use harness::http::{connect, whoami};
use harness::{
    DEADLINE, Ended, Mode, Sticky, addresses_of_slot, binaries, pause, send, wait_until,
};
use rustix::process::Signal;
use serde_json::Value;

in_every_mode!(
    whoever_asks_is_told_that_it_was_killed,
    clients_that_are_silent_or_endless_hinder_nobody,
    who_asked_before_it_was_killed_is_answered,
    reload_and_stop_notice_that_it_is_killed,
    one_that_is_stopped_is_said_to_be_silent,
);

const WORKERS: u32 = 2;
const GONE: &str = "is gone since ";

fn whoever_asks_is_told_that_it_was_killed(mode: Mode) {
    let mut sticky = Sticky::new(mode, WORKERS).start();
    let workers = sticky.workers();
    sticky.kill_supervisor();
    all_tell(&sticky, &workers);

    let answer = ask(&sticky, "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains(GONE) && answer.contains("start `sticky run` again"), "{answer}");

    let status = sticky.command("status").run();
    assert_eq!(status.code, Some(1));
    assert!(status.stdout.contains("GONE since"), "{}", status.stdout);
    let status = sticky.command("status").args(["--json"]).run();
    let told: Value = serde_json::from_str(&status.stdout).unwrap();
    assert!(told["gone_since"].is_string(), "{told}");
    assert_eq!(told["listen"], sticky.address().to_string());
    for (slot, worker) in workers.iter().enumerate() {
        assert_eq!(told["slots"][slot]["pid"], *worker, "{told}");
    }

    // One that has ended is not told of, and the next supervisor answers again.
    send(workers[0], Signal::KILL);
    wait_until("one worker is left", || {
        let told = sticky.command("status").run().stderr;
        told.contains(&format!("(kill {})", workers[1])).then_some(())
    });
    sticky.start_again();
    assert_eq!(sticky.status().takeovers, 1);
    sticky.stop();
}

/// Each command says it, and what to do.
fn all_tell(sticky: &Sticky, workers: &[u32]) {
    let pids: Vec<String> = workers.iter().map(u32::to_string).collect();
    for command in ["status", "reload", "stop", "upgrade", "which"] {
        let client = (command == "which").then_some("127.0.0.1");
        let Ended { code, stderr, .. } = sticky.command(command).args(client).run();
        assert_eq!(code, Some(1), "sticky {command}: {stderr}");
        let told = format!("error: the supervisor (pid {}) {GONE}", sticky.pid());
        assert!(stderr.starts_with(&told), "sticky {command}: {stderr}");
        let hint = format!(
            "start `sticky run` again with the same options to take over, or end \
             them (kill {})",
            pids.join(" ")
        );
        assert!(stderr.contains(&hint), "sticky {command}: {stderr}");
    }
}

/// All that it says.
fn ask(sticky: &Sticky, request: &str) -> String {
    let mut stream = dial(sticky);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn dial(sticky: &Sticky) -> UnixStream {
    let stream = UnixStream::connect(sticky.control()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn clients_that_are_silent_or_endless_hinder_nobody(mode: Mode) {
    const SILENT: usize = 200;

    let mut sticky = Sticky::new(mode, WORKERS).start();
    let workers = sticky.workers();
    sticky.kill_supervisor();
    let silent: Vec<UnixStream> = (0..SILENT).map(|_| dial(&sticky)).collect();
    thread::scope(|scope| {
        let endless = scope.spawn(|| {
            let mut stream = dial(&sticky);
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        all_tell(&sticky, &workers);
        endless.join().unwrap();
    });
    // Each of them is sent away.
    for mut stream in silent {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains(GONE), "{answer}");
    }
    // One that is there while the next supervisor comes is not in its way either.
    let _silent = dial(&sticky);
    sticky.start_again();
    sticky.wait_for_other_workers(&workers);
    sticky.stop();
}

fn who_asked_before_it_was_killed_is_answered(mode: Mode) {
    let mut sticky = Sticky::new(mode, WORKERS).start();
    pause(sticky.pid());
    let mut stream = dial(&sticky);
    stream.write_all(b"GET /status HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    sticky.kill_supervisor();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains(GONE), "{answer}");
    sticky.start_again();
    sticky.stop();
}

fn reload_and_stop_notice_that_it_is_killed(mode: Mode) {
    for command in ["reload", "stop"] {
        let mut sticky = Sticky::new(mode, WORKERS)
            .with("--drain-timeout", "1h")
            .worker([binaries::test_worker()])
            .start();
        // It is not let go.
        let client = addresses_of_slot(0, WORKERS, 1)[0];
        let _request = begin_request(client, &sticky);
        let asked = sticky.command(command);
        let ended = thread::scope(|scope| {
            let asked = scope.spawn(|| asked.run());
            sticky.stderr.wait_for_text("the test worker of slot 0 drains");
            sticky.kill_supervisor();
            asked.join().unwrap()
        });
        assert_eq!(ended.code, Some(1), "sticky {command}: {}", ended.stdout);
        assert!(ended.stderr.contains(GONE), "sticky {command}: {}", ended.stderr);
        sticky.kill_all();
    }
}

/// Returns when a worker is at work on it.
fn begin_request(client: Ipv4Addr, sticky: &Sticky) -> TcpStream {
    let mut stream = connect(client, sticky.address()).unwrap();
    let head = "POST /echo HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 1";
    write!(stream, "{head}\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    stream
}

fn one_that_is_stopped_is_said_to_be_silent(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).start();
    let workers = sticky.workers();
    pause(sticky.pid());
    for command in ["status", "reload", "stop"] {
        let Ended { code, stderr, .. } = sticky.command(command).run();
        assert_eq!(code, Some(1), "sticky {command}");
        assert!(stderr.contains("does not answer within 10s"), "sticky {command}: {stderr}");
    }
    if mode != Mode::FdPassing {
        let client = addresses_of_slot(1, WORKERS, 1)[0];
        assert_eq!(whoami(client, sticky.address()).unwrap().pid, workers[1]);
    }
    sticky.signal(Signal::CONT);
    assert_eq!(sticky.status().pid, sticky.pid());
    sticky.stop();
}
