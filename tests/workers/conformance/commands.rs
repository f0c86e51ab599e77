//! What clients ask for: rooms of their own, and what concerns many at once.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use futures_core::Stream;
use rmpv::Value;
use socketioxide::AckError;
use socketioxide::extract::{AckSender, Data};
use socketioxide::socket::Sid;

use crate::target::{Target, answer};
use crate::{Bused, Io, Socket};

type Ack = AckSender<Bused>;
type Emission = (Target, String, Value);

pub(crate) fn register(socket: &Socket, io: &Io) {
    socket.on("join", async |socket: Socket, Data(room): Data<String>, ack: Ack| {
        socket.join(room);
        answer(ack, Ok::<_, String>(socket.rooms()));
    });
    socket.on("leave", async |socket: Socket, Data(room): Data<String>, ack: Ack| {
        socket.leave(room);
        answer(ack, Ok::<_, String>(socket.rooms()));
    });

    let server = io.clone();
    socket.on("emit", async move |socket: Socket, Data(what): Data<Emission>, ack: Ack| {
        answer(ack, emit(&server, &socket, what).await);
    });
    let server = io.clone();
    socket.on("burst", async move |socket: Socket, Data(what): Data<Burst>, ack: Ack| {
        answer(ack, burst(&server, &socket, what).await);
    });
    let server = io.clone();
    socket.on("fill", async move |Data((id, bytes)): Data<(Sid, usize)>, ack: Ack| {
        answer(ack, Ok::<_, String>(fill(&server, id, bytes)));
    });
    let server = io.clone();
    socket.on("ask", async move |socket: Socket, Data(what): Data<Question>, ack: Ack| {
        answer(ack, ask(&server, &socket, what).await);
    });
    let server = io.clone();
    socket.on("rooms", async move |socket: Socket, Data(target): Data<Target>, ack: Ack| {
        let rooms = async { text(target.of(&server, &socket)?.rooms().await) };
        answer(ack, rooms.await);
    });
    let server = io.clone();
    socket.on(
        "disconnect them",
        async move |socket: Socket, Data(target): Data<Target>, ack: Ack| {
            let end = async { text(target.of(&server, &socket)?.disconnect().await) };
            answer(ack, end.await);
        },
    );
    let server = io.clone();
    socket.on("join them", async move |socket: Socket, Data(what): Data<Move>, ack: Ack| {
        let join = async { text(what.0.of(&server, &socket)?.join(what.1).await) };
        answer(ack, join.await);
    });
    let server = io.clone();
    socket.on("leave them", async move |socket: Socket, Data(what): Data<Move>, ack: Ack| {
        let leave = async { text(what.0.of(&server, &socket)?.leave(what.1).await) };
        answer(ack, leave.await);
    });
}

/// Who, and which rooms.
type Move = (Target, Vec<String>);
/// To whom, the event, how many numbered ones, and how many bytes more in each.
type Burst = (Target, String, u32, usize);
/// To whom, the event, its data, and how many milliseconds to wait if not for ever.
type Question = (Target, String, Value, Option<u64>);

async fn emit(io: &Io, socket: &Socket, (target, event, data): Emission) -> Result<(), String> {
    text(target.of(io, socket)?.emit(event, &data).await)
}

/// Each once the one before has been sent.
async fn burst(io: &Io, socket: &Socket, burst: Burst) -> Result<(), String> {
    let (target, event, count, bytes) = burst;
    let target = target.of(io, socket)?;
    let filling = Value::Binary(vec![0; bytes]);
    for number in 0..count {
        let number = ("number".into(), number.into());
        let data = Value::Map(vec![number, ("filling".into(), filling.clone())]);
        text(target.clone().emit(&event, &data).await)?;
    }
    Ok(())
}

/// Emits to one client of this worker until its queue is full, and says how many it took; nothing where the
/// client is not here any more.
fn fill(io: &Io, id: Sid, bytes: usize) -> Option<usize> {
    let socket = io.get_socket(id)?;
    let filling = Value::Binary(vec![0; bytes]);
    let mut taken = 0;
    while socket.emit("filling", &filling).is_ok() {
        taken += 1;
    }
    Some(taken)
}

async fn ask(io: &Io, socket: &Socket, question: Question) -> Result<Vec<Value>, String> {
    let (target, event, data, milliseconds) = question;
    let mut target = target.of(io, socket)?;
    if let Some(milliseconds) = milliseconds {
        target = target.timeout(Duration::from_millis(milliseconds));
    }
    Ok(collect(text(target.emit_with_ack(event, &data).await)?).await)
}

/// Of each who was asked `{id, value}` or `{id, error}`.
pub(crate) async fn collect(
    acks: impl Stream<Item = (Sid, Result<Value, AckError>)>,
) -> Vec<Value> {
    let mut acks = pin!(acks);
    let mut all = Vec::new();
    while let Some((id, ack)) = poll_fn(|cx| acks.as_mut().poll_next(cx)).await {
        let (name, outcome) = match ack {
            Ok(value) => ("value", value),
            Err(error) => ("error", error.to_string().into()),
        };
        all.push(Value::Map(vec![("id".into(), id.as_str().into()), (name.into(), outcome)]));
    }
    all
}

pub(crate) fn text<T>(outcome: Result<T, impl std::fmt::Display>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}
