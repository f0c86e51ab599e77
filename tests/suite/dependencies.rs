//! What an application links.

use std::collections::BTreeSet;
use std::env;
use std::process::Command;

/// What only the supervisor needs. Of `sticky-ebpf`, workers know the numbers of slots: it is the mapping
/// alone, without the kernel program and what that is built with.
const SUPERVISORS: [&str; 7] = [
    "aya",
    "clap",
    "netlink-packet-sock-diag",
    "procfs",
    "prometheus-client",
    "seccompiler",
    "sticky-user",
];

/// The names of all packages that are built into `package`.
fn linked(package: &str) -> BTreeSet<String> {
    linked_with(package, &[])
}

fn linked_with(package: &str, options: &[&str]) -> BTreeSet<String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--edges=normal", "--prefix=none", "--package"])
        .arg(package)
        .args(options)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn an_application_links_nothing_of_the_supervisor() {
    let greeter = linked("greeter");
    assert!(greeter.contains("sticky-worker") && greeter.contains("sticky-bus"), "{greeter:?}");
    let too_much: Vec<_> = SUPERVISORS.iter().filter(|name| greeter.contains(**name)).collect();
    assert!(too_much.is_empty(), "{too_much:?}");
    assert!(!greeter.iter().any(|name| name.starts_with("aya")), "{greeter:?}");
    let supervisor = linked("sticky-user");
    assert!(SUPERVISORS.iter().all(|name| supervisor.contains(*name)), "misspelt");
}

#[test]
fn an_application_can_do_without_redis() {
    let with = linked("sticky-worker");
    let without = linked_with("sticky-worker", &["--no-default-features"]);
    for name in ["redis", "rustls"] {
        assert!(with.contains(name) && !without.contains(name), "{name}: {without:?}");
    }
}
