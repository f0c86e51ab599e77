//! From the very first moment of start-up no connection reaches a worker that it should not.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use harness::addresses::free_port;
use harness::http::{connect, read_whoami, send_get};
use harness::{Mode, Sticky, addresses, binaries, digit_slot, wait_until};
use tempfile::TempDir;

in_every_mode!(clients_that_cannot_wait);

const WORKERS: u32 = 5;
const THREADS: usize = 8;
/// So many connections are made before the workers start, then while they do, then afterwards.
const CONNECTIONS: usize = 500;

/// First nobody listens; then the listeners open, behind a closed SYN gate; then the gate opens; then
/// workers start; then they serve. Clients try to connect all the time.
fn clients_that_cannot_wait(mode: Mode) {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let folder = TempDir::with_prefix("sticky-test-").unwrap();
    let gate = folder.path().join("gate");
    let state = State::default();
    let clients = addresses(THREADS * 1000);

    let (sticky, connections) = thread::scope(|scope| {
        let state = &state;
        let hammer = |clients| scope.spawn(move || state.hammer(clients, server));
        let threads: Vec<_> = clients.chunks(1000).map(hammer).collect();
        // Also when something fails here, they have to end.
        let end = End(&state.stop);
        wait_until("clients are refused", || state.has_refused(THREADS).then_some(()));

        let sticky = Sticky::new(mode, WORKERS)
            .with("--listen", server.to_string())
            .worker([binaries::worker_script("gated.sh")])
            .env("GATE", &gate)
            .env("STICKY_BINARY", binaries::sticky())
            .spawn();
        state.wait_for_more(CONNECTIONS);
        assert_eq!(sticky.stdout.text(), "", "no worker has started, so none is ready");
        File::create(&gate).unwrap();
        state.wait_for_more(CONNECTIONS);
        let sticky = sticky.announced();
        state.wait_for_more(CONNECTIONS);
        drop(end);
        let connections = threads.into_iter().flat_map(|thread| thread.join().unwrap());
        (sticky, connections.collect::<Vec<_>>())
    });

    assert!(connections.len() >= 3 * CONNECTIONS);
    for (client, connection) in &connections {
        let answer = read_whoami(connection).unwrap();
        assert_eq!(answer.slot, digit_slot(*client, WORKERS), "{client}");
    }
    if let Some(counters) = sticky.status().counters {
        // A SYN that came while the gate was closed may have been counted, and came again.
        assert!(counters.selected() >= connections.len() as u64);
    }
    sticky.stop();
    fs::remove_file(gate).unwrap();
}

#[derive(Default)]
struct State {
    refused: AtomicUsize,
    connected: AtomicUsize,
    /// No more connections than that for now: descriptors are not without end.
    wanted: AtomicUsize,
    stop: AtomicBool,
}

impl State {
    fn has_refused(&self, times: usize) -> bool {
        self.refused.load(Ordering::Relaxed) >= times
    }

    fn wait_for_more(&self, connections: usize) {
        let wanted = self.wanted.fetch_add(connections, Ordering::Relaxed) + connections;
        let reached = || (self.connected.load(Ordering::Relaxed) >= wanted).then_some(());
        wait_until("clients are connected", reached);
    }

    /// Connects again and again, with a request each time; reads no answer.
    fn hammer(&self, clients: &[Ipv4Addr], server: SocketAddr) -> Vec<(Ipv4Addr, TcpStream)> {
        let mut connections = Vec::new();
        for &client in clients.iter().cycle() {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let connected = self.connected.load(Ordering::Relaxed);
            if connected > 0 && connected >= self.wanted.load(Ordering::Relaxed) {
                thread::yield_now();
                continue;
            }
            match connect(client, server) {
                Ok(stream) => {
                    send_get(&stream, "/whoami").unwrap();
                    connections.push((client, stream));
                    self.connected.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    assert!(connections.is_empty(), "{client} is refused after the start");
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => panic!("{client}: {error}"),
            }
        }
        connections
    }
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
