//! Small files, one purpose each.

use super::source::{Finding, Source};

const MOST: usize = 300;

pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    let lines = source.text.lines().count();
    if lines <= MOST {
        return Vec::new();
    }
    vec![(
        MOST + 1,
        format!("{lines} lines, at most {MOST} are allowed: split the file by purpose"),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines() {
        let found = |lines| check(&Source::read("a.rs", &"//\n".repeat(lines)).unwrap()).len();
        assert_eq!(found(MOST), 0);
        assert_eq!(found(MOST + 1), 1);
    }
}
