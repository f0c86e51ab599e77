//! Durations on the command line.

use std::time::Duration;

/// Reads `500ms`, `10s`, `2m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it as 500ms, 10s or 2m"))
}
