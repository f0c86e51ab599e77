//! Who is meant, and what came of it.

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::json;
use socketioxide::extract::AckSender;
use socketioxide::operators::BroadcastOperators;

use crate::{Bused, Io, Socket};

/// Those who are meant; all clients of the namespace when nothing is said.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Target {
    namespace: String,
    to: Vec<String>,
    except: Vec<String>,
    /// Not whoever asks, who is of the same namespace.
    others: bool,
    /// At this worker only.
    local: bool,
    volatile: bool,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            namespace: "/".into(),
            to: Vec::new(),
            except: Vec::new(),
            others: false,
            local: false,
            volatile: false,
        }
    }
}

impl Target {
    pub(crate) fn of(self, io: &Io, socket: &Socket) -> Result<BroadcastOperators<Bused>, String> {
        let all = if self.others { Some(socket.broadcast()) } else { io.of(&self.namespace) };
        let mut some = all.ok_or_else(|| format!("no namespace {}", self.namespace))?;
        some = some.to(self.to).except(self.except);
        if self.local {
            some = some.local();
        }
        if self.volatile {
            some = some.volatile();
        }
        Ok(some)
    }
}

/// Answers with the outcome: `{ok: ...}` or `{error: ...}`.
pub(crate) fn answer<T: Serialize, E: Display>(ack: AckSender<Bused>, outcome: Result<T, E>) {
    // Whoever asked may be gone.
    let _ = match outcome {
        Ok(ok) => ack.send(&Fine { ok }),
        Err(error) => ack.send(&json!({ "error": error.to_string() })),
    };
}

// No `Option` and no enum: socketioxide would send the binary data in them as lists of numbers.
#[derive(Serialize)]
struct Fine<T> {
    ok: T,
}
