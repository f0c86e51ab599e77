//! A network of its own for a test.

use std::fs::File;
use std::net::Ipv6Addr;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::process::geteuid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace with the loopback interface up.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one; needs root.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sticky-test-{}-{number}", std::process::id());
        ip(&["netns", "add", &name]);
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"]);
        namespace
    }

    /// Runs `work` in a network of its own, where no packet of another test is counted: a segment
    /// that no connection knows any more is a run of the program as well. Without the right to
    /// make one it runs here.
    pub fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        if geteuid().is_root() { Self::new().inside(work) } else { work() }
    }

    /// Runs `ip` inside.
    pub fn ip(&self, args: &[&str]) {
        ip(&[&["-netns", &self.name], args].concat());
    }

    /// Gives an IPv6 address to the loopback interface, with the network of `bits` that it is in.
    pub fn add_address(&self, address: Ipv6Addr, bits: u8) {
        let address = format!("{address}/{bits}");
        self.ip(&["-6", "address", "add", &address, "dev", "lo", "nodad"]);
    }

    /// Lays a cable to another one, whose ends have these addresses (with the length of their
    /// network).
    pub fn connect(&self, here: &str, other: &Self, there: &str) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cable{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let cable = ["link", "add", &name, "type", "veth", "peer", "name", &name];
        self.ip(&[&cable[..], &["netns", &other.name]].concat());
        for (end, address) in [(self, here), (other, there)] {
            end.ip(&["address", "add", address, "dev", &name]);
            end.ip(&["link", "set", &name, "up"]);
        }
    }

    /// Runs `work` in a thread inside; threads, processes and sockets that it makes stay there.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.name)).expect("the namespace is there");
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let kind = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(file.as_fd(), kind).expect("root may enter it");
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}
