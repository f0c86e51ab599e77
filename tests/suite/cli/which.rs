//! `sticky which`: the slot of a client, and how many clients spread.

use std::fs;
use std::net::Ipv4Addr;

use harness::{Cli, Ended, Mode, Sticky, Which, addresses};
use serde::Deserialize;
use tempfile::TempDir;

/// An IPv4 client in each way that it may come, and one of IPv6.
const CLIENTS: [&str; 4] = ["127.0.0.1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2001:db8::1"];

fn which(args: &[&str]) -> Cli {
    Cli::new(["which"]).args(args)
}

/// What `which --file --json` prints.
#[derive(Debug, PartialEq, Deserialize)]
struct Spread {
    workers: u32,
    addresses: u64,
    distinct: u64,
    slots: Vec<u64>,
    idle: u64,
    busiest: f64,
    skipped: u64,
}

fn spread(file: &str, text: &str, workers: &str) -> Spread {
    which(&["--workers", workers, "--file", file]).stdin(text).json()
}

#[test]
fn one_line_for_each_client() {
    // 127001 modulo 5 is 1; the IPv6 client's key is a hash of its first 64 bits.
    let printed = which(&["--workers", "5"]).args(CLIENTS).prints();
    let expected = "127.0.0.1 slot 1\n::ffff:127.0.0.1 slot 1\n64:ff9b::7f00:1 slot 1\n\
                    2001:db8::1 slot 4";
    assert_eq!(printed, expected);
}

#[test]
fn json_has_the_key_too() {
    let answers: Vec<Which> = which(&["--workers", "5"]).args(CLIENTS).json();
    let told: Vec<_> = answers.iter().map(|answer| (answer.key, answer.slot)).collect();
    assert_eq!(told, [(127_001, 1), (127_001, 1), (127_001, 1), (436_009_294, 4)]);
    assert_eq!(answers[0].ip, Ipv4Addr::LOCALHOST);
}

#[test]
fn the_length_of_the_prefix_counts() {
    let keys = |bits: &str| {
        let args = ["--workers", "7", "--ipv6-prefix", bits, "2001:db8::1", "2001:db8::2"];
        which(&args).json::<Vec<Which>>().iter().map(|answer| answer.key).collect::<Vec<_>>()
    };
    let [all, network] = ["128", "64"].map(keys);
    assert_eq!(network[0], network[1]);
    assert_ne!(all[0], all[1]);
}

#[test]
fn a_running_supervisor_tells_how_many_slots_there_are() {
    let options = Sticky::new(Mode::Cbpf, 3).with("--ipv6-prefix", "48");
    let sticky = options.start();
    let ask = |cli: Cli| cli.args(CLIENTS).args(["2001:db8:0:1::1"]).prints();
    let expected = ask(which(&["--workers", "3", "--ipv6-prefix", "48"]));
    let control = sticky.control().to_str().unwrap();
    assert_eq!(ask(which(&["--control", control])), expected);
    assert_eq!(ask(which(&[]).env("STICKY_CONTROL", control)), expected);
    // A number of workers to try out, whatever runs.
    let other = ask(which(&["--workers", "7", "--control", control]));
    assert_eq!(other, ask(which(&["--workers", "7"])));

    let spread: Spread = which(&["--control", control, "--file", "-"]).stdin("127.0.0.1").json();
    assert_eq!(spread.slots, [0, 0, 1]);
    sticky.stop();
}

#[test]
fn no_supervisor_runs() {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let control = folder.path().join("control.sock");
    let control = control.to_str().unwrap();
    refused(
        which(&["127.0.0.1", "--control", control]),
        1,
        &["no supervisor answers", control, "--listen", "--control", "sticky run"],
    );
    // Without --control the port of --listen tells where it would be.
    let elsewhere = which(&["127.0.0.1", "--listen", "127.0.0.1:1"]);
    refused(elsewhere, 1, &["no supervisor answers", "1/control.sock"]);
}

#[test]
fn a_file_of_clients_that_all_end_alike() {
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let file = folder.path().join("access.log");
    let lines: Vec<String> =
        (0..100).map(|net| format!("10.0.{net}.10 - - \"GET / HTTP/1.1\"")).collect();
    fs::write(&file, format!("# clients\n\n{}\n  10.0.0.10\n", lines.join("\n"))).unwrap();
    let file = file.to_str().unwrap();

    let all_at_one = Spread {
        workers: 10,
        addresses: 101,
        distinct: 100,
        slots: vec![101, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        idle: 9,
        busiest: 10.0,
        skipped: 0,
    };
    assert_eq!(spread(file, "", "10"), all_at_one);
    let printed = which(&["--workers", "10", "--file", file]).prints();
    for words in [
        "101 addresses (100 different) on 10 slots",
        "\n   0        101  100.0%  ########",
        "\n   9          0    0.0%",
        "10.00 times an even share; 9 of 10 slots have none.",
    ] {
        assert!(printed.contains(words), "{words:?}: {printed}");
    }
    // What a person would do about it.
    assert_eq!(spread(file, "", "11").idle, 0);
}

#[test]
fn standard_input_of_many() {
    let lines: Vec<String> = addresses(10_000).iter().map(Ipv4Addr::to_string).collect();
    let spread = spread("-", &lines.join("\r\n"), "4");
    assert_eq!((spread.addresses, spread.distinct, spread.idle), (10_000, 10_000, 0));
    assert_eq!(spread.slots.iter().sum::<u64>(), 10_000);
    assert!((1.0..4.0).contains(&spread.busiest), "{spread:?}");
}

#[test]
fn no_clients_at_all() {
    for nobody in ["", "\n\n", "# nobody yet\n"] {
        let spread = spread("-", nobody, "3");
        assert_eq!((spread.addresses, spread.slots, spread.idle), (0, vec![0; 3], 3));
        let printed = which(&["--workers", "3", "--file", "-"]).stdin(nobody).prints();
        assert!(printed.starts_with("0 addresses (0 different) on 3 slots\n"), "{printed}");
        assert!(!printed.contains("NaN"), "{printed}");
    }
}

#[test]
fn lines_of_json() {
    let text = r#"{"time":"12:00","remote_addr":"127.0.0.1","status":200}
{"request":{"remote_ip":"127.0.0.2","headers":{}}}
"#;
    let spread = spread("-", text, "3");
    assert_eq!((spread.addresses, spread.distinct, spread.skipped), (2, 2, 0));
}

#[test]
fn what_is_no_address() {
    let read = || which(&["--workers", "3", "--file", "-"]);
    let text = "127.0.0.1\n# fine\n127.0.0.999 x\n{\"status\":200}\n";
    let printed = read().stdin(text).prints();
    assert!(printed.starts_with("1 addresses (1 different)"), "{printed}");
    assert!(printed.ends_with("2 lines have no address and do not count."), "{printed}");
    assert_eq!(spread("-", text, "3").skipped, 2);
    // Where there is none at all, it is the wrong file.
    let says = ["no line of standard input", "\"127.0.0.999 x\"", "remote_addr"];
    refused(read().stdin("127.0.0.999 x\n-\n"), 1, &says);
    let nowhere = which(&["--workers", "3", "--file", "/nowhere/clients"]);
    refused(nowhere, 1, &["/nowhere/clients", "No such file", "standard input"]);
}

#[test]
fn wrong_usage() {
    for (args, says) in [
        (&["--workers", "3"][..], "IP"),
        (&["--workers", "3", "nonsense"], "nonsense"),
        (&["--workers", "3", "127.0.0.256"], "127.0.0.256"),
        (&["--workers", "0", "127.0.0.1"], "1 to 256"),
        (&["--workers", "257", "127.0.0.1"], "1 to 256"),
        (&["--workers", "3", "--ipv6-prefix", "129", "::1"], "0 to 128"),
        (&["--workers", "3", "127.0.0.1", "--file", "-"], "--file"),
    ] {
        refused(which(args), 2, &[says, "--help"]);
    }
}

#[track_caller]
fn refused(cli: Cli, code: i32, says: &[&str]) {
    let Ended { code: ended, stdout, stderr } = cli.run();
    assert_eq!((ended, stdout.as_str()), (Some(code), ""), "{stderr}");
    for words in says {
        assert!(stderr.contains(words), "does not say {words:?}:\n{stderr}");
    }
}
