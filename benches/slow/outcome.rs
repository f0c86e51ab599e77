//! What came of all rounds.

use serde::Serialize;
use sticky_benches::numbers::Figure;

use crate::kind::Kind;
use crate::round::{Gone, Sample};

/// Slow clients of one kind.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    pub(crate) clients: usize,
    /// Undisturbed, in µs.
    pub(crate) p50_microseconds: Figure,
    pub(crate) p99_microseconds: Figure,
    /// Beside slow clients, as ratios to that in the same round.
    pub(crate) p50: Figure,
    pub(crate) p99: Figure,
    pub(crate) kilobytes: Option<Figure>,
    /// Seconds until the first and until the last one was gone.
    pub(crate) first: Option<Figure>,
    pub(crate) last: Option<Figure>,
}

impl Outcome {
    pub(crate) fn of(kind: Kind, clients: usize, all: &[Sample]) -> Self {
        let samples: Vec<&Sample> = all.iter().filter(|sample| sample.kind == kind).collect();
        let figure =
            |value: fn(&Sample) -> f64| Figure::of(samples.iter().map(|sample| value(sample)));
        let gone = |value: fn(&Gone) -> f64| {
            let values: Option<Vec<f64>> =
                samples.iter().map(|sample| sample.gone.as_ref().map(value)).collect();
            values.map(Figure::of)
        };
        Self {
            kind,
            clients,
            p50_microseconds: figure(|sample| sample.undisturbed.p50 * 1e6),
            p99_microseconds: figure(|sample| sample.undisturbed.p99 * 1e6),
            p50: figure(|sample| sample.ratios().p50),
            p99: figure(|sample| sample.ratios().p99),
            kilobytes: gone(|gone| gone.kilobytes),
            first: gone(|gone| gone.first),
            last: gone(|gone| gone.last),
        }
    }
}
