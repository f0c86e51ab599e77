//! What the benches share: numbers, reports, servers, processes.
//!
//! The benches themselves are beside this folder, one folder each; `cargo xtask bench` runs them.

pub mod algorithms;
pub mod http;
pub mod interleave;
pub mod listen;
pub mod machine;
pub mod numbers;
pub mod picture;
pub mod processes;
pub mod report;
pub mod sample;
pub mod servers;
pub mod socketio;
pub mod table;
