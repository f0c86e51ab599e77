//! The worker's side: an inherited listener, readiness, serving, draining.
//!
//! A worker knows its environment and its descriptors, nothing else: what this module does, a
//! program in any language can do with systemd's `LISTEN_FDS` and `NOTIFY_SOCKET`.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use sticky_worker::Worker;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), sticky_worker::Error> {
//!     let worker = Worker::from_env()?;
//!     let greeting = format!("slot {} of {}", worker.slot(), worker.slots());
//!     worker.serve(Router::new().route("/", get(|| async { greeting }))).await
//! }
//! ```

mod accept;
mod body;
mod connection;
mod drain;
mod early;
mod error;
mod exchange;
mod head;
mod http;
mod idle;
mod limit;
mod pace;
mod room;
mod serve;
mod sessions;
mod source;
mod stream;
pub mod throttle;
mod timeouts;
mod upgrade;
mod watchdog;
mod websocket;
mod worker;

pub use drain::Draining;
pub use error::Error;
pub use sticky_contract::{SlotCount, SlotId};
pub use timeouts::Timeouts;
pub use worker::Worker;
