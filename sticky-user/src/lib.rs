//! N worker processes behind one TCP port; the kernel brings every client to the same worker.
//!
//! The way of a connection through the modules:
//!
//! ```text
//! client SYN ─► steering ─► listener ─► worker ─► app ─► bus ─► other workers
//! ```
//!
//! * [`steering`] puts the mapping of [`sticky_ebpf`] in force,
//! * [`listener`] holds one listening socket per slot,
//! * [`worker`] is a process's side: it accepts on its slot's listener,
//! * [`app`] is the reference application, a chat on Socket.IO,
//! * [`bus`] carries what workers tell each other,
//! * [`supervisor`] opens the slots and keeps a worker at each,
//! * [`launch`] is what a new process does before it is a worker,
//! * [`keeper`] holds what the port is served with while one supervisor follows another,
//! * [`throttle`] bounds the log lines that others can provoke,
//! * [`cli`] is what a person types and sees.
//!
//! Applications need [`worker`] and [`bus`] only.

pub mod app;
mod backlog;
pub mod bus;
mod causes;
pub mod cli;
pub mod keeper;
pub mod launch;
pub mod listener;
mod notify;
mod output;
pub mod steering;
pub mod supervisor;
pub mod sys;
pub mod throttle;
mod turn;
pub mod worker;

/// The README's examples compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
