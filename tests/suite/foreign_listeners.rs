//! Programs that are none of ours, on the port that is served.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, ChildStdout, Stdio};

use harness::http::{for_each, whoami};
use harness::rights::{Right, User, missing};
use harness::{Cli, Mode, Namespace, Sticky, addresses, digit_slot, wait_until};

in_every_kernel_mode!(
    a_program_that_joins_the_port,
    a_program_on_a_more_specific_address,
    a_program_on_one_of_two_families,
);

const WORKERS: u32 = 3;
/// What `nobody` can execute, wherever root has another one.
const PYTHON: &str = "/usr/bin/python3";

/// A program that listens on the port too, until its standard input ends.
struct Joiner {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Joiner {
    fn start(port: SocketAddr, user: User) -> Self {
        const PROGRAM: &str = "
import errno, select, socket, sys
listener = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
try:
    listener.bind((sys.argv[1], int(sys.argv[2])))
    listener.listen()
except OSError as error:
    sys.exit(print(errno.errorcode[error.errno]))
print('listens', flush=True)
sys.stdin.read()
print('got a connection' if select.select([listener], [], [], 0)[0] else 'got nothing')
";
        let mut command = user.command(PYTHON);
        command.args(["-c", PROGRAM]).args([port.ip().to_string(), port.port().to_string()]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        Self { process, said }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Joiner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A listener of the supervisor's own user, which the kernel lets in.
fn a_program_that_joins_the_port(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).start();
    let mut joiner = Joiner::start(sticky.address(), User::Same);
    assert_eq!(joiner.line(), "listens");
    let clients = addresses(300);
    let slots = for_each(&clients, |&client| whoami(client, sticky.address()).unwrap().slot);
    assert!(clients.iter().zip(slots).all(|(&ip, slot)| slot == digit_slot(ip, WORKERS)));
    sticky.stderr.wait_for_text("it gets no connection while the program that steers is attached");
    let status = sticky.status();
    assert_eq!(status.foreign_listeners.len(), 1);
    assert!(!status.foreign_listeners[0].harmful);
    drop(joiner.process.stdin.take());
    assert_eq!(joiner.line(), "got nothing");
    joiner.process.wait().unwrap();
    wait_until("it is no longer reported", || {
        (sticky.status().foreign_listeners.is_empty()).then_some(())
    });
    sticky.stop();
}

/// It is asked before the group, and so gets the clients of its address; that is what is said.
fn a_program_on_a_more_specific_address(mode: Mode) {
    let sticky = Sticky::new(mode, WORKERS).with("--listen", "0.0.0.0:0").start();
    let of = |ip: [u8; 4]| SocketAddr::from((Ipv4Addr::from(ip), sticky.address().port()));
    let mut joiner = Joiner::start(of([127, 0, 0, 1]), User::Same);
    assert_eq!(joiner.line(), "listens");
    assert_said(&sticky, joiner, "takes the clients of 127.0.0.1, whatever is attached");
    let clients = addresses(50);
    let slots = for_each(&clients, |&client| whoami(client, of([127, 0, 0, 2])).unwrap().slot);
    assert!(clients.iter().zip(slots).all(|(&ip, slot)| slot == digit_slot(ip, WORKERS)));
    sticky.stop();
}

fn a_program_on_one_of_two_families(mode: Mode) {
    if missing(Right::Root) {
        return;
    }
    Namespace::new().inside(|| {
        let sticky = Sticky::new(mode, WORKERS).with("--listen", "[::]:0").start();
        let port = sticky.address().port();
        let mut joiner = Joiner::start((Ipv4Addr::UNSPECIFIED, port).into(), User::Same);
        assert_eq!(joiner.line(), "listens");
        assert_said(&sticky, joiner, "takes all IPv4 clients, whatever is attached");
        sticky.stop();
    });
}

/// What is said of it is what comes to pass, and it is said until it has gone.
fn assert_said(sticky: &Sticky, mut joiner: Joiner, effect: &str) {
    sticky.stderr.wait_for_text(effect);
    let status = sticky.status();
    assert_eq!(status.foreign_listeners.len(), 1);
    assert!(status.foreign_listeners[0].harmful);
    assert_eq!(status.foreign_listeners[0].effect, effect);
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, sticky.address().port()));
    drop(std::net::TcpStream::connect(loopback).unwrap());
    drop(joiner.process.stdin.take());
    assert_eq!(joiner.line(), "got a connection");
    joiner.process.wait().unwrap();
    wait_until("it is no longer reported", || {
        (sticky.status().foreign_listeners.is_empty()).then_some(())
    });
}

/// Who accepts itself shares the port with nobody.
#[test]
fn nobody_joins_in_mode_fd_passing() {
    let sticky = Sticky::new(Mode::FdPassing, WORKERS).with("--listen", "0.0.0.0:0").start();
    let port = sticky.address().port();
    for address in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST] {
        let mut joiner = Joiner::start((address, port).into(), User::Same);
        assert_eq!(joiner.line(), "EADDRINUSE", "{address}");
    }
    sticky.stop();
}

/// Another user cannot join at all.
#[test]
fn another_user_cannot_join_the_port() {
    if missing(Right::Root) {
        return;
    }
    let sticky = Sticky::new(Mode::Cbpf, WORKERS).start();
    assert_eq!(Joiner::start(sticky.address(), User::Nobody).line(), "EADDRINUSE");
    let alone = TcpListener::bind(sticky.address());
    assert_eq!(alone.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    sticky.stop();
}

/// However many connections there are: the table of all of them is not read.
#[test]
fn who_has_the_port_is_told_without_a_table_of_connections() {
    if missing(Right::Root) {
        return;
    }
    let sticky = Sticky::new(Mode::Cbpf, WORKERS).start();
    let control = sticky.control().with_file_name("another").join("control.sock");
    let second = Cli::new(["run", "--mode", "cbpf", "--workers", "1"])
        .args(["--listen", &sticky.address().to_string()])
        .args(["--control".as_ref(), control.as_os_str()]);
    let ended = second.without_proc_net().run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("the port is in use by sticky (pid "), "{}", ended.stderr);
    sticky.stop();
}
