//! N worker processes behind one TCP port; the kernel brings every client to the same worker.
//!
//! The way of a connection through the modules:
//!
//! ```text
//! client SYN ─► steering ─► listener ─► sticky_worker ─► app ─► sticky_bus ─► other workers
//! ```
//!
//! * [`steering`] puts the mapping of [`sticky_ebpf`] in force,
//! * `listener` holds one listening socket per slot,
//! * [`sticky_worker`] is a process's side: it accepts on its slot's listener,
//! * `app` is the reference application, a chat on Socket.IO,
//! * [`sticky_bus`] carries what workers tell each other,
//! * `supervisor` opens the slots and keeps a worker at each,
//! * `launch` is what a new process does before it is a worker,
//! * `keeper` holds what the port is served with while one supervisor follows another,
//! * [`cli`] is what a person types and sees.
//!
//! Applications need [`sticky_worker`] and [`sticky_bus`] only. This library is for the program `sticky`
//! ([`cli`]), and for benches, which compare what [`steering`] installs with other ways.

mod app;
mod causes;
pub mod cli;
mod keeper;
mod launch;
mod listener;
mod output;
pub mod steering;
mod step;
mod supervisor;

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
