//! The bus over Redis: the server's URL, and connecting to it.

mod connect;
mod url;

pub use url::{InvalidRedisUrl, RedisUrl};
