//! What a client of the chat can say, and what it gets.

use std::borrow::Cow;
use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use serde::Serialize;
use socketioxide::adapter::Emitter;
use socketioxide::extract::{AckSender, SocketRef, TryData};
use socketioxide::socket::Sid;
use socketioxide::{BroadcastError, ParserError, TransportType};
use tracing::{debug, warn};

use super::payload::{self, Connection, Refusal, Said, SaidBy, Say, Welcome, Who};
use sticky_bus::Adapter;
use sticky_worker::{SlotId, Worker};

pub(super) type Socket = SocketRef<Adapter<Emitter>>;
type Ack = AckSender<Adapter<Emitter>>;
type Parsed<T> = Result<T, ParserError>;
type Name = Cow<'static, str>;

/// In so many rooms one client may be.
const MAX_ROOMS: usize = 32;

/// The worker that this is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) slot: SlotId,
    pub(super) pid: u32,
}

impl Place {
    pub(super) fn of(worker: &Worker) -> Self {
        Self { slot: worker.slot(), pid: std::process::id() }
    }
}

/// A new client.
pub(super) fn welcome(socket: &Socket, place: Place) {
    socket.on("echo", async |TryData(any): TryData<rmpv::Value>, ack: Ack| {
        answer(ack, any.map_err(Refusal::from));
    });
    socket.on("join", async |socket: Socket, TryData(room), ack: Ack| {
        answer(ack, join(&socket, room));
    });
    socket.on("leave", async |socket: Socket, TryData(room), ack: Ack| {
        answer(ack, leave(&socket, room));
    });
    socket.on("say", async move |socket: Socket, TryData(words), ack: Ack| {
        answer(ack, say(&socket, words, place.slot).await);
    });
    socket.on("who", async |socket: Socket, TryData(question), ack: Ack| {
        answer(ack, who(&socket, question).await);
    });
    socket.on("whoami", async move |socket: Socket, ack: Ack| {
        answer(ack, Ok(connection(&socket, place)));
    });
    let welcome = Welcome { slot: place.slot, pid: place.pid, id: socket.id };
    if let Err(error) = socket.emit("welcome", &welcome) {
        debug!("a client went away before its welcome: {error}");
    }
}

/// A client that asks for no answer gets none, and one that is gone needs none.
fn answer<T: Serialize>(ack: Ack, result: Result<T, Refusal>) {
    let sent = match result {
        Ok(answer) => ack.send(&answer),
        Err(refusal) => ack.send(&refusal),
    };
    if let Err(error) = sent {
        debug!("cannot answer: {error}");
    }
}

fn join(socket: &Socket, room: Parsed<String>) -> Result<Vec<Name>, Refusal> {
    let room = payload::room(room?)?;
    let rooms = socket.rooms();
    if rooms.len() >= MAX_ROOMS && !rooms.iter().any(|joined| *joined == room) {
        return Err(format!("nobody can be in more than {MAX_ROOMS} rooms").into());
    }
    socket.join(room);
    Ok(socket.rooms())
}

fn leave(socket: &Socket, room: Parsed<String>) -> Result<Vec<Name>, Refusal> {
    let room = payload::room(room?)?;
    socket.leave(room);
    Ok(socket.rooms())
}

async fn say(socket: &Socket, words: Parsed<Say>, slot: SlotId) -> Result<SaidBy, Refusal> {
    let Say { room, text } = words?;
    let (room, text) = (payload::room(room)?, payload::text(text)?);
    let said = Said { room: room.clone(), text, from: socket.id, slot };
    match socket.within(room.clone()).emit("said", &said).await {
        Ok(()) => Ok(SaidBy { slot }),
        // A member that reads too slowly, or left this moment, is not the sender's concern.
        Err(BroadcastError::Socket(errors)) => {
            debug!("{} members did not get a message", errors.len());
            Ok(SaidBy { slot })
        }
        Err(error) => {
            warn!("a message stays within this worker: {error}");
            let _ = socket.within(room).local().emit("said", &said).await;
            Err("only members at this worker got it: the others cannot be reached".into())
        }
    }
}

async fn who(socket: &Socket, question: Parsed<Who>) -> Result<Vec<Sid>, Refusal> {
    let Who { room } = question?;
    let room = payload::room(room)?;
    match socket.within(room).fetch_sockets().await {
        Ok(members) => Ok(members.into_iter().map(|member| member.data().id).collect()),
        Err(error) => {
            warn!("cannot ask the other workers who is in a room: {error}");
            Err("the other workers cannot be reached".into())
        }
    }
}

fn connection(socket: &Socket, place: Place) -> Connection {
    let peer = socket.req_parts().extensions.get::<ConnectInfo<SocketAddr>>();
    Connection {
        slot: place.slot,
        pid: place.pid,
        peer: peer.map(|&ConnectInfo(address)| address),
        transport: match socket.transport_type() {
            TransportType::Polling => "polling",
            TransportType::Websocket => "websocket",
        },
    }
}
