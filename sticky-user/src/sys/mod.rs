//! System calls that no crate wraps: the only room with `unsafe`.

pub mod fd_passing;
pub mod inherited;
pub mod readiness;
pub mod tcp_info;
pub mod tcp_md5;
