//! Medians and their spread.

use std::fmt;

use serde::Serialize;

/// A figure over several rounds: its median, and the quartiles around it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Half of the rounds were at or below.
    pub median: f64,
    /// A quarter of the rounds were at or below.
    pub low: f64,
    /// Three quarters of the rounds were at or below.
    pub high: f64,
}

impl Figure {
    /// Of the values of all rounds.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |part| percentile(&values, part);
        Self { median: at(0.5), low: at(0.25), high: at(0.75) }
    }

    /// One value that has no spread.
    pub fn single(value: f64) -> Self {
        Self { median: value, low: value, high: value }
    }
}

/// Median and quartiles, with as many digits as the size of the number is worth.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, low, high } = *self;
        write!(f, "{} ({}–{})", short(median), short(low), short(high))
    }
}

/// A number with three digits or more.
pub fn short(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// The value below which `part` (0 to 1) of the sorted `values` are, between two of them by
/// proportion. Not a number where there are none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "places in a vector"
)]
pub fn percentile(values: &[f64], part: f64) -> f64 {
    let place = part * values.len().saturating_sub(1) as f64;
    let before = values.get(place.floor() as usize).copied().unwrap_or(f64::NAN);
    let after = values.get(place.ceil() as usize).copied().unwrap_or(f64::NAN);
    before + (after - before) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_values() {
        let figure = Figure::of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!(figure, Figure { median: 2.5, low: 1.75, high: 3.25 });
        assert_eq!(figure.to_string(), "2.50 (1.75–3.25)");
        assert_eq!(Figure::of([7.0]), Figure::single(7.0));
        assert!(Figure::of([]).median.is_nan());
    }

    #[test]
    fn no_more_digits_than_needed() {
        assert_eq!([0.0, 1.234, 12.34, 123.4].map(short), ["0", "1.23", "12.3", "123"]);
    }
}
