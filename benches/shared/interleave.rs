//! Who is measured when.

/// The order of a round. Who goes first takes turns, and who comes after whom changes as well: the
/// steps from one to the next are as long as the round's turn of those that meet everyone.
pub fn order(round: usize, contenders: usize) -> Vec<usize> {
    let steps: Vec<usize> = (1..=contenders).filter(|&step| meets_all(step, contenders)).collect();
    let step = steps.iter().cycle().nth(round).copied().unwrap_or(1);
    (0..contenders).map(|place| (round + place * step) % contenders).collect()
}

/// Whether steps of that length lead round a circle by way of all places: no common divisor.
fn meets_all(step: usize, places: usize) -> bool {
    (2..=step).all(|divisor| !step.is_multiple_of(divisor) || !places.is_multiple_of(divisor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_a_turn_and_each_is_first_once() {
        for count in 0..12 {
            let mut first = Vec::new();
            for round in 0..count {
                let mut order = order(round, count);
                first.extend(order.first().copied());
                order.sort_unstable();
                assert_eq!(order, (0..count).collect::<Vec<_>>());
            }
            first.sort_unstable();
            assert_eq!(first, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn neighbours_change() {
        assert_eq!([order(0, 5), order(1, 5)], [[0, 1, 2, 3, 4], [1, 3, 0, 2, 4]]);
        assert_eq!([order(0, 2), order(1, 2)], [[0, 1], [1, 0]]);
    }
}
