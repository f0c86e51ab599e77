//! What the benches share: numbers, reports, servers, processes.
//!
//! The benches themselves are beside this folder, one folder each; `cargo xtask bench` runs them.

pub mod algorithms;
pub mod connect;
pub mod crowd;
pub mod http;
pub mod interleave;
pub mod listen;
pub mod machine;
pub mod memory;
pub mod numbers;
pub mod open_files;
pub mod picture;
pub mod processes;
pub mod report;
pub mod sample;
pub mod servers;
pub mod socketio;
pub mod table;
