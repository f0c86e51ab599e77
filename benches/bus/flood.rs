//! One client that sends as fast as it can, and members of its room at the same worker and at another:
//! how much of it each gets, and how fast. Over the whole server, as clients see it.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use harness::{Mode, Sticky, addresses_of_slot};
use serde::Serialize;
use socket2::{Domain, Socket, Type};
use sticky_benches::numbers::Figure;
use sticky_benches::table::Table;
use tungstenite::{Message, WebSocket, client};

const WORKERS: u32 = 2;
const MESSAGES: u32 = 100_000;
const ROUNDS: usize = 3;

/// A member that has had nothing for so long gets no more.
const SILENCE: Duration = Duration::from_secs(5);

type Failure = Box<dyn Error + Send + Sync>;

/// What a member got of one flood.
struct Got {
    messages: u32,
    took: Duration,
}

/// What members got, over all rounds.
#[derive(Serialize)]
pub(crate) struct Row {
    bus: &'static str,
    member: &'static str,
    delivered_percent: Figure,
    messages_per_second: Figure,
}

/// Floods a server whose workers speak over Redis at that URL, or over the embedded bus.
pub(crate) fn run(bus: &'static str, redis: Option<&str>) -> Result<[Row; 2], Failure> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(flood(redis)?);
    }
    let row = |at: usize, member| {
        let of = |value: fn(&Got) -> f64| {
            Figure::of(rounds.iter().filter_map(|round| round.get(at)).map(value))
        };
        Row {
            bus,
            member,
            delivered_percent: of(|got| 100.0 * f64::from(got.messages) / f64::from(MESSAGES)),
            messages_per_second: of(|got| f64::from(got.messages) / got.took.as_secs_f64()),
        }
    };
    Ok([row(0, "same worker"), row(1, "another worker")])
}

pub(crate) fn table(rows: &[Row]) -> Table {
    let mut table = Table::new([
        "one client sends 100,000 messages at once",
        "delivered, %",
        "messages per second",
    ]);
    for row in rows {
        table.row([
            format!("{}, member at {}", row.bus, row.member),
            row.delivered_percent.to_string(),
            row.messages_per_second.to_string(),
        ]);
    }
    table
}

fn flood(redis: Option<&str>) -> Result<Vec<Got>, Failure> {
    let mut options = Sticky::new(Mode::Cbpf, WORKERS);
    if let Some(url) = redis {
        options = options.with("--redis", url);
    }
    let sticky = options.start();
    let to = sticky.address();
    let own = addresses_of_slot(0, WORKERS, 2);
    let other = addresses_of_slot(1, WORKERS, 1);
    let mut members = Vec::new();
    for from in [own[1], other[0]] {
        let mut socket = connect(from, to)?;
        socket.send(Message::text(r#"420["join","flood"]"#))?;
        while !socket.read()?.to_text()?.starts_with("430") {}
        members.push(socket);
    }
    let mut sender = connect(own[0], to)?;
    let start = Instant::now();
    let members: Vec<_> =
        members.into_iter().map(|member| thread::spawn(move || count(member, start))).collect();
    for number in 0..MESSAGES {
        let say = format!(r#"42["say",{{"room":"flood","text":"{number:020}"}}]"#);
        sender.write(Message::text(say))?;
    }
    sender.flush()?;
    let got: Result<Vec<_>, Failure> = members
        .into_iter()
        .map(|member| member.join().map_err(|_| "a member panicked".into()))
        .collect();
    drop(sender);
    sticky.stop();
    got
}

fn connect(from: Ipv4Addr, to: SocketAddr) -> Result<WebSocket<TcpStream>, Failure> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&to.into())?;
    let url = format!("ws://{to}/socket.io/?EIO=4&transport=websocket");
    let connected = client(url, TcpStream::from(socket));
    let (mut socket, _) = connected.map_err(|error| error.to_string())?;
    socket.send(Message::text("40"))?;
    while !socket.read()?.to_text()?.starts_with("40") {}
    Ok(socket)
}

/// Counts until all have come, or no more do.
fn count(mut member: WebSocket<TcpStream>, start: Instant) -> Got {
    let mut got = Got { messages: 0, took: start.elapsed() };
    // One that cannot be set waits for the end of the connection.
    let _ = member.get_ref().set_read_timeout(Some(SILENCE));
    while got.messages < MESSAGES {
        match member.read() {
            Ok(Message::Text(text)) if text.starts_with(r#"42["said""#) => {
                got.messages += 1;
                got.took = start.elapsed();
            }
            Ok(Message::Text(text)) if text.as_str() == "2" => {
                if member.send(Message::text("3")).is_err() {
                    break;
                }
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    got
}
