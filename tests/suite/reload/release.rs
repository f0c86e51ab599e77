//! A release that fails when its workers have said that they are ready.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use harness::http::{connect, read_whoami, send_get, whoami};
use harness::{Ended, Mode, Sticky, addresses_of_slot, binaries, send};
use rustix::process::Signal;
use tempfile::TempDir;

in_every_mode!(
    a_release_that_dies_when_it_is_ready_stops_it,
    a_release_that_hangs_when_it_is_ready_stops_it,
    a_release_that_takes_nothing_stops_it,
);

const WORKERS: u32 = 2;

/// A server whose next workers are of a release that fails after it has said READY=1.
struct Release {
    sticky: Sticky,
    flag: PathBuf,
    before: Vec<u32>,
    _folder: TempDir,
}

impl Release {
    fn start(mode: Mode) -> Self {
        let folder = TempDir::with_prefix("sticky-test-").unwrap();
        let flag = folder.path().join("fault");
        fs::write(&flag, "").unwrap();
        let sticky = Sticky::new(mode, WORKERS)
            .with("--watchdog", "500ms")
            .worker(["python3".into(), binaries::worker_script("release.py")])
            .worker_args([binaries::sticky(), flag.clone()])
            .start();
        Self { before: sticky.workers(), sticky, flag, _folder: folder }
    }

    fn fails(&self, fault: &str) -> Ended {
        fs::write(&self.flag, fault).unwrap();
        self.sticky.reload()
    }

    /// Only the first slot has another worker, which the next release mends.
    fn has_stopped(self, reload: &Ended, why: &str) {
        let Ended { code, stdout, stderr } = reload;
        assert_eq!(*code, Some(1), "{stdout}");
        assert!(stdout.starts_with("slot 0: a new worker starts") && !stdout.contains("slot 1"));
        for part in ["the reload was stopped: the new worker of slot 0", why, "1 slots keep"] {
            assert!(stderr.contains(part), "{part:?}: {stderr}");
        }
        let [first, second] = [0, 1].map(|slot| addresses_of_slot(slot, WORKERS, 1)[0]);
        let address = self.sticky.address();
        assert_eq!(whoami(second, address).unwrap().pid, self.before[1], "the rest is untouched");

        fs::write(&self.flag, "").unwrap();
        // One that hangs without a word is nobody's to end.
        if let Some(pid) = self.sticky.status().slots[0].pid {
            send(pid, Signal::KILL);
        }
        let served = whoami(first, address).unwrap();
        assert!(served.slot == 0 && served.pid != self.before[0]);
        self.sticky.wait_for_successor(0, self.before[0]);
        assert_eq!(self.sticky.reload().code, Some(0), "nothing is left of the one that failed");
        self.sticky.wait_for_other_workers(&self.before);
        self.sticky.stop();
    }
}

fn a_release_that_dies_when_it_is_ready_stops_it(mode: Mode) {
    let release = Release::start(mode);
    let reload = release.fails("dies");
    release.has_stopped(&reload, "ended with exit code 7 after it had said READY=1");
}

fn a_release_that_hangs_when_it_is_ready_stops_it(mode: Mode) {
    let release = Release::start(mode);
    let reload = release.fails("is silent");
    release.has_stopped(&reload, "hangs: it no longer says WATCHDOG=1");
}

fn a_release_that_takes_nothing_stops_it(mode: Mode) {
    let release = Release::start(mode);
    let over = AtomicBool::new(false);
    let (address, clients) = (release.sticky.address(), addresses_of_slot(0, WORKERS, 50));
    let reload = thread::scope(|scope| {
        // Somebody comes all the time; who waits for the release that hangs is left waiting.
        let visits = scope.spawn(|| {
            let mut waiting = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let stream = connect(clients[waiting.len() % 50], address).unwrap();
                send_get(&stream, "/whoami").unwrap();
                if release.sticky.worker(0) != release.before[0] || read_whoami(&stream).is_err() {
                    waiting.push(stream);
                }
            }
        });
        let reload = release.fails("hangs");
        over.store(true, Ordering::Relaxed);
        visits.join().unwrap();
        reload
    });
    release.has_stopped(&reload, "takes no connections");
}
