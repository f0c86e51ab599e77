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

/// The least and the most that may be given as a size: 64 KiB and 1 GiB.
const SIZES: RangeInclusive<u32> = 65_536..=1 << 30;

/// A number of bytes: `65536`, `64K`, `2M` or `1G`.
pub(super) fn size(text: &str) -> Result<u32, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 1 << 10),
        Some((at, 'M' | 'm')) => (&text[..at], 1 << 20),
        Some((at, 'G' | 'g')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let bytes = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    bytes
        .filter(|bytes| SIZES.contains(bytes))
        .ok_or_else(|| "expected a size from 64K to 1G, such as 2M".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("2M"), Ok(2 << 20));
        assert_eq!(size("64k"), Ok(65_536));
        assert_eq!(size("70000"), Ok(70_000));
        assert_eq!(size("1G"), Ok(1 << 30));
        for wrong in ["", "M", "63K", "2G", "-1M", "2MB", "1.5M", "9999999999", "ü"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
