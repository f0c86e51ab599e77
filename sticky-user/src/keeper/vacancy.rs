//! What is told where there is no supervisor.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The answer to `GET /status` where there is no supervisor, with the status 503.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Vacancy {
    /// What it means, and what to do, in words: the answer to all other requests.
    pub why: String,
    /// The process of the supervisor that has gone.
    pub supervisor: Option<u32>,
    /// When it went, by RFC 3339.
    pub since: String,
    /// Its workers that still run.
    pub workers: Vec<u32>,
    /// What it noted last.
    pub note: String,
}

impl Vacancy {
    pub(super) fn new(
        supervisor: Option<u32>,
        since: SystemTime,
        workers: Vec<u32>,
        note: String,
    ) -> Self {
        let since = humantime::format_rfc3339_seconds(since).to_string();
        let pid = supervisor.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
        let pids = workers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let why = format!(
            "the supervisor{pid} is gone since {since}; its workers serve on, but nobody looks \
             after them: start `sticky run` again with the same options to take over, or end them \
             (kill {pids})"
        );
        Self { why, supervisor, since, workers, note }
    }

    /// What is known from the answer to another request; `None` where it tells nothing.
    pub(crate) fn of(why: String) -> Option<Self> {
        let told = !why.is_empty();
        told.then(|| Self { why, ..Self::default() })
    }

    /// The answer to a request, of which only the first line counts.
    pub(super) fn answer(&self, request: &[u8]) -> Vec<u8> {
        let (kind, body) = if request.starts_with(b"GET /status ") {
            ("application/json", serde_json::to_string(self).unwrap_or_default())
        } else {
            ("text/plain; charset=utf-8", format!("{}\n", self.why))
        };
        let length = body.len();
        format!(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: {kind}\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}
