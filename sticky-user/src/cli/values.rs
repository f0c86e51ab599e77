//! Values on the command line.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// No wait of a supervisor is shorter or longer.
const BOUNDS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24 * 365);

/// Reads `500ms`, `10s`, `2m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it as 500ms, 10s or 2m"))?;
    if BOUNDS.contains(&duration) {
        return Ok(duration);
    }
    Err("a duration here is from 1ms to a year".into())
}

/// A time, or never.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrOff(pub(super) Option<Duration>);

/// Reads what [`duration`] does, or `off`.
pub(super) fn duration_or_off(text: &str) -> Result<OrOff, String> {
    if text == "off" {
        return Ok(OrOff(None));
    }
    duration(text).map(|duration| OrOff(Some(duration))).map_err(|error| format!("{error}, or off"))
}

/// Reads `0.0.0.0:3000`, `[::]:3000`.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let hint = "an IP address and a port: write it as 0.0.0.0:3000 or [::]:3000";
    text.parse().map_err(|_| hint.into())
}
