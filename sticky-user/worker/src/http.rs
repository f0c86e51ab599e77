//! One request and its answer, by hyper.
//!
//! hyper's own state says when it waits for the next request: then it is taken apart, and the connection goes
//! on without it. Where it does not get there (a side has said `Connection: close`, the body of the request was not
//! read to its end, the answer ends with the connection), the connection ends: what is left of a body is
//! never taken for a request.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::Sleep;
use tower_service::Service;

use super::body::{RequestBody, ResponseBody};
use super::connection::Shared;
use super::exchange::{Exchange, Progress};
use super::head::LONGEST;
use super::stream::{Stream, Transport, lingering_close};
use super::upgrade::Dismantle;

/// Serves the request whose head was read, and what was sent right behind it. Gives the stream back if
/// another request may follow. `early` is the answer, where it is there already; `timer` ends when the head was
/// to be there.
pub(crate) async fn serve_one<S: Transport>(
    stream: Stream<S>,
    peer: SocketAddr,
    early: Option<Box<axum::response::Response>>,
    mut timer: Pin<&mut Sleep>,
    shared: &Arc<Shared>,
) -> Option<Stream<S>> {
    let exchange = Arc::clone(&stream.exchange);
    exchange.reset();
    let early = Mutex::new(early);
    let service = service_fn(|request| {
        let early = early.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (exchange, shared) = (Arc::clone(&exchange), Arc::clone(shared));
        answer(request, peer, early, exchange, shared, Dismantle::of::<S>())
    });
    let mut http = http1::Builder::new();
    http.max_header_size(LONGEST).header_read_timeout(None);
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    let mut waits = false;
    let end = poll_fn(|cx| {
        loop {
            if let Poll::Ready(served) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(End::Served(served));
            }
            match exchange.poll_progress(cx) {
                // hyper waits for the next request: this makes it end.
                Progress::Over if !waits => {
                    waits = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                Progress::LeftUnread => {}
                Progress::NoRequest => return timer.as_mut().poll(cx).map(|()| End::TooSlow),
                Progress::Upgraded => return Poll::Ready(End::Upgraded),
                Progress::Underway | Progress::Over => return Poll::Pending,
            }
        }
    })
    .await;
    let served = match end {
        End::Served(served) => served,
        End::TooSlow => return None,
        End::Upgraded => {
            // hyper writes the answer, and gives the stream to the application.
            let _ = connection.with_upgrades().await;
            return None;
        }
    };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    match served {
        Ok(()) if waits => return Some(stream.rewound(&parts.read_buf)),
        Ok(()) if exchange.ends_unexpectedly() => lingering_close(&mut stream.io).await,
        Err(error) if error.is_parse() => lingering_close(&mut stream.io).await,
        Ok(()) | Err(_) => {}
    }
    None
}

/// How serving ended.
enum End {
    Served(hyper::Result<()>),
    /// The head was not what it seemed, and the rest of it did not come.
    TooSlow,
    /// The answer makes something else of the connection, and is still to be written.
    Upgraded,
}

/// The application's answer. What handlers are told of the connection is put into the request here.
async fn answer(
    mut request: Request<Incoming>,
    peer: SocketAddr,
    early: Option<Box<axum::response::Response>>,
    exchange: Arc<Exchange>,
    shared: Arc<Shared>,
    dismantle: Dismantle,
) -> Result<Response<ResponseBody>, Infallible> {
    let turn = exchange.begin(!request.body().is_end_stream());
    let connects = request.method() == Method::CONNECT;
    let extensions = request.extensions_mut();
    extensions.insert(ConnectInfo(peer));
    if extensions.get::<OnUpgrade>().is_some() {
        extensions.insert(dismantle);
    }
    let window = shared.timeouts.body;
    let request = request.map(|body| RequestBody::wrap(body, &turn, window));
    // Any time is good for a router; each call has one of its own, as axum does it.
    let mut response = match early {
        Some(early) => *early,
        None => match shared.router.clone().call(request).await {
            Ok(response) => response,
            Err(impossible) => match impossible {},
        },
    };
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS
        || (connects && response.status().is_success());
    if upgraded {
        exchange.upgraded().await;
    } else if shared.draining.has_begun() {
        // The client connects anew for its next request, and gets to the next worker.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        exchange.closes();
    }
    Ok(response.map(|body| ResponseBody::new(body, turn)))
}
