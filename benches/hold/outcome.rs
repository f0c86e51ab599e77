//! What came of all rounds.

use serde::Serialize;
use sticky_benches::numbers::Figure;

use crate::kind::Kind;
use crate::round::{Pinged, Sample};
use crate::servers::Choice;

/// One server with connections of one kind.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    pub(crate) server: Choice,
    pub(crate) connections: usize,
    pub(crate) kilobytes: Figure,
    /// Where it answered pings: memory afterwards, CPU time per minute, and how many there were.
    pub(crate) kilobytes_after_pings: Option<Figure>,
    pub(crate) microseconds: Option<Figure>,
    pub(crate) pings: Option<Figure>,
}

impl Outcome {
    pub(crate) fn of(kind: Kind, connections: usize, server: Choice, all: &[Sample]) -> Self {
        let samples: Vec<&Sample> = all.iter().filter(|sample| sample.server == server).collect();
        let pinged = |value: fn(&Pinged) -> f64| {
            let values: Option<Vec<f64>> =
                samples.iter().map(|sample| sample.pinged.as_ref().map(value)).collect();
            values.map(Figure::of)
        };
        Self {
            kind,
            server,
            connections,
            kilobytes: Figure::of(samples.iter().map(|sample| sample.kilobytes)),
            kilobytes_after_pings: pinged(|pinged| pinged.kilobytes),
            microseconds: pinged(|pinged| pinged.microseconds),
            pings: pinged(|pinged| pinged.pings),
        }
    }
}
