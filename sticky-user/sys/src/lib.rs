//! System calls that no crate wraps: the only crate with `unsafe`.

#![warn(clippy::missing_errors_doc)]

pub mod close_range;
pub mod credentials;
pub mod fd_passing;
pub mod inherited;
pub mod message;
pub mod readiness;
pub mod reuseport;
pub mod scheduling;
pub mod socket_option;
pub mod tcp_info;
pub mod tcp_md5;
