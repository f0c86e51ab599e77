//! The routes beside Socket.IO: the page, the client library, and who serves.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::chat::Place;
use sticky_worker::{Draining, SlotId, Worker};

/// The official client, where `cargo xtask setup client` had fetched it before the build.
#[cfg(embedded_client)]
const CLIENT: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/socket.io.min.js")));
#[cfg(not(embedded_client))]
const CLIENT: Option<&[u8]> = None;

const NO_CLIENT: &str = "the client library is not built in: run `cargo xtask setup client`, \
                         then build again\n";

#[derive(Clone)]
struct Serving {
    place: Place,
    mode: Arc<str>,
    draining: Draining,
}

/// The answer of `/whoami`, in this order.
#[derive(Serialize)]
struct WhoAmI<'a> {
    slot: SlotId,
    pid: u32,
    peer: SocketAddr,
    mode: &'a str,
}

pub(super) fn routes(worker: &Worker) -> Router {
    let serving = Serving {
        place: Place::of(worker),
        mode: worker.mode().into(),
        draining: worker.draining(),
    };
    Router::new()
        .route("/", get(page))
        .route("/page.css", get(async || file("text/css", include_str!("page.css"))))
        .route("/page.js", get(async || file("text/javascript", include_str!("page.js"))))
        .route("/socket.io.min.js", get(async || client(CLIENT)))
        .route("/whoami", get(whoami))
        .route("/healthz", get(healthz))
        .with_state(serving)
}

async fn page() -> impl IntoResponse {
    // Nothing from elsewhere, and no script within the text of the page.
    let policy = "default-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";
    (
        [(CONTENT_SECURITY_POLICY, policy)],
        file("text/html; charset=utf-8", include_str!("page.html")),
    )
}

fn file(kind: &'static str, content: impl IntoResponse) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 2] = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")];
    (headers, content)
}

fn client(library: Option<&'static [u8]>) -> Result<impl IntoResponse, (StatusCode, &'static str)> {
    let library = library.ok_or((StatusCode::NOT_FOUND, NO_CLIENT))?;
    Ok(file("text/javascript", library))
}

async fn whoami(
    State(serving): State<Serving>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Response {
    let Place { slot, pid } = serving.place;
    let answer = WhoAmI { slot, pid, peer, mode: &serving.mode };
    ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

async fn healthz(State(serving): State<Serving>) -> (StatusCode, &'static str) {
    if serving.draining.has_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining");
    }
    (StatusCode::OK, "ok")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoami_answers_to_the_letter() {
        let peer = SocketAddr::from(([127, 1, 2, 3], 5));
        let answer = WhoAmI { slot: SlotId::FIRST, pid: 123, peer, mode: "ebpf" };
        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"slot":0,"pid":123,"peer":"127.1.2.3:5","mode":"ebpf"}"#
        );
    }

    #[test]
    fn a_missing_client_library_says_what_to_do() {
        let (status, text) = client(None).err().unwrap();
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(text.contains("cargo xtask setup client"), "{text}");
    }
}
