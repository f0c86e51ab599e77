//! `sticky doctor`: what works here, found by trying it, and what to do about the rest.

use std::fs;

use harness::addresses::free_port;
use harness::rights::{Right, User, missing};
use harness::{Cli, Ended, Namespace, Redis};
use serde::Deserialize;

const PASSWORD: &str = "open-sesame";

/// What `doctor --json` prints.
#[derive(Debug, Deserialize)]
struct Report {
    kernel: String,
    auto: Option<String>,
    checks: Vec<Check>,
}

#[derive(Debug, Deserialize)]
struct Check {
    name: String,
    answer: Answer,
    detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Yes,
    No,
    Unknown,
}

impl Report {
    /// The report, which is printed whatever the exit code is.
    #[track_caller]
    fn of(cli: Cli, code: i32) -> Self {
        let Ended { code: ended, stdout, stderr } = cli.args(["--json"]).run();
        assert_eq!(ended, Some(code), "{stdout}\n{stderr}");
        assert!(!format!("{stdout}{stderr}").contains(PASSWORD), "{stdout}\n{stderr}");
        let report: Self = serde_json::from_str(&stdout).unwrap();
        let told = |check: &Check| !check.name.is_empty() && !check.detail.is_empty();
        assert!(report.checks.iter().all(told), "{report:?}");
        assert!(report.kernel.starts_with("Linux "), "{report:?}");
        report
    }

    /// Asserts an answer, and what is said with it.
    #[track_caller]
    fn says(&self, name: &str, answer: Answer, words: &[&str]) {
        let check = self.checks.iter().find(|check| check.name == name).unwrap();
        assert_eq!(check.answer, answer, "{check:?}");
        for words in words {
            assert!(check.detail.contains(words), "does not say {words:?}: {check:?}");
        }
    }
}

fn doctor() -> Cli {
    Cli::new(["doctor"])
}

#[test]
fn root_may_everything() {
    if missing(Right::Root) {
        return;
    }
    let report = Report::of(doctor(), 0);
    assert_eq!(report.auto.as_deref(), Some("ebpf"));
    for name in ["mode ebpf", "mode cbpf", "mode fd-passing", "CAP_BPF", "CAP_NET_BIND_SERVICE"] {
        report.says(name, Answer::Yes, &[]);
    }
    let names: Vec<&str> = report.checks.iter().map(|check| check.name.as_str()).collect();
    for name in ["open files", "somaxconn", "BPF JIT"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(!names.contains(&"Redis"), "nobody asked for it");
}

#[test]
fn nobody_is_told_what_is_missing() {
    if missing(Right::Root) {
        return;
    }
    let report = Report::of(doctor().user(User::Nobody), 0);
    assert_eq!(report.auto.as_deref(), Some("cbpf"));
    report.says("mode ebpf", Answer::No, &["CAP_BPF", "setcap cap_bpf+ep", "another --mode"]);
    report.says("mode cbpf", Answer::Yes, &[]);
    report.says("mode fd-passing", Answer::Yes, &[]);
    report.says("CAP_BPF", Answer::No, &["mode ebpf", "root", "setcap cap_bpf+ep"]);
    report.says("CAP_NET_BIND_SERVICE", Answer::No, &["1024", "setcap cap_net_bind_service+ep"]);

    let report = Report::of(doctor().user(User::NobodyWithBpf), 0);
    assert_eq!(report.auto.as_deref(), Some("ebpf"));
    report.says("mode ebpf", Answer::Yes, &[]);
    report.says("CAP_BPF", Answer::Yes, &[]);
    report.says("CAP_NET_BIND_SERVICE", Answer::No, &[]);
}

#[test]
fn a_line_for_each_answer() {
    if missing(Right::Root) {
        return;
    }
    let printed = doctor().user(User::Nobody).prints();
    let line = |name: &str| {
        printed.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{printed}"))
    };
    assert!(line("mode ebpf").starts_with("no "), "{printed}");
    assert!(line("mode ebpf").contains("setcap cap_bpf+ep"), "{printed}");
    assert!(line("mode cbpf").starts_with("yes "), "{printed}");
    assert!(printed.starts_with("Linux "), "{printed}");
    assert!(printed.ends_with("\n`sticky run` takes mode cbpf here."), "{printed}");
}

#[test]
fn few_open_files() {
    let report = Report::of(doctor().open_files(500), 0);
    report.says("open files", Answer::No, &["500", "raise it", "LimitNOFILE"]);
}

/// What belongs to a network is that of one's own, as in a container.
#[test]
fn a_network_that_lets_few_wait() {
    if missing(Right::Root) {
        return;
    }
    let namespace = Namespace::new();
    let report = namespace.inside(|| {
        fs::write("/proc/sys/net/core/somaxconn", "100").unwrap();
        Report::of(doctor(), 0)
    });
    let advice = ["100 connections", "4096", "sysctl net.core.somaxconn=4096"];
    report.says("somaxconn", Answer::No, &advice);
    // The host's alone, and not shown here: neither yes nor no.
    report.says("BPF JIT", Answer::Unknown, &["bpf_jit_enable"]);
    report.says("mode ebpf", Answer::Yes, &[]);
}

#[test]
fn redis_that_answers() {
    let redis = Redis::with_password(PASSWORD);
    for cli in [doctor().args(["--redis", &redis.url()]), doctor().env("STICKY_REDIS", redis.url())]
    {
        Report::of(cli, 0).says("Redis", Answer::Yes, &["127.0.0.1", "***"]);
    }
    let wrong = redis.url().replace(PASSWORD, "another");
    let report = Report::of(doctor().args(["--redis", &wrong]), 1);
    report.says("Redis", Answer::No, &["refused the password", "check"]);
}

#[test]
fn redis_that_does_not_answer() {
    let url = format!("redis://user:{PASSWORD}@127.0.0.1:{}/", free_port());
    let report = Report::of(doctor().args(["--redis", &url]), 1);
    let advice = ["cannot reach Redis", "user:***@127.0.0.1", "check that the server runs"];
    report.says("Redis", Answer::No, &advice);
    assert!(report.auto.is_some(), "the rest is told all the same");

    let Ended { code, stdout, stderr } = doctor().env("STICKY_REDIS", &url).run();
    assert_eq!(code, Some(1));
    assert!(stdout.contains("\nno       Redis "), "{stdout}");
    assert!(stderr.contains("what to do about it is above"), "{stderr}");
    assert!(!format!("{stdout}{stderr}").contains(PASSWORD), "{stdout}\n{stderr}");
}

#[test]
fn redis_urls_that_cannot_be_read() {
    for url in [&format!("http://:{PASSWORD}@127.0.0.1"), PASSWORD] {
        for cli in [doctor().args(["--redis", url]), doctor().env("STICKY_REDIS", url)] {
            let Ended { code, stdout, stderr } = cli.run();
            assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
            assert!(stderr.contains("redis://user:password@127.0.0.1:6379/0"), "{stderr}");
            assert!(!stderr.contains(PASSWORD), "{stderr}");
        }
    }
}

#[test]
fn wrong_usage() {
    let Ended { code, stdout, stderr } = doctor().args(["--mode", "ebpf"]).run();
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
    assert!(stderr.contains("--mode") && stderr.contains("--help"), "{stderr}");
}
