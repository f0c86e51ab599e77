//! No sleep as synchronisation: a sleep says why it is one.

use super::source::{Finding, Source};

const FREE: &[&str] = &["benches/", "xtask/"];
const REASON: &str = "real delay:";

pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    if FREE.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    let lines: Vec<&str> = source.text.lines().collect();
    let message = format!(
        "a sleep: wait for the event with a deadline, or say in a comment `{REASON} ...` why not"
    );
    source
        .places("sleep")
        .filter(|&at| is_call(source, at))
        .map(|at| source.tokens[at].line)
        .filter(|&line| !has_reason(&lines, line))
        .map(|line| (line, message.clone()))
        .collect()
}

/// `sleep(..)` however it is imported, `thread::sleep` and `time::sleep` also without a call.
fn is_call(source: &Source<'_>, at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map_or("", |at| source.word(at));
    let called = source.word(at + 1) == "(" && !["fn", "."].contains(&before(1));
    let as_value =
        before(1) == "::" && ["thread", "time"].contains(&before(2)) && before(3) != "use";
    called || (as_value && ![";", ","].contains(&source.word(at + 1)))
}

/// At the end of the same line, or in the comment right above.
fn has_reason(lines: &[&str], line: usize) -> bool {
    let same = lines.get(line - 1).and_then(|text| text.split_once("//"));
    let above = lines[..line - 1].iter().rev().map(|text| text.trim_start());
    same.is_some_and(|(_, comment)| comment.contains(REASON))
        || above.take_while(|text| text.starts_with("//")).any(|comment| comment.contains(REASON))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_found(path: &str, text: &str) -> Vec<usize> {
        check(&Source::read(path, text).unwrap()).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn finds_sleeps_however_imported() {
        for call in [
            "std::thread::sleep(d)",
            "tokio::time::sleep(d).await",
            "time::sleep(d)",
            "sleep(d)",
            "select! { () = sleep(d) => {} }",
        ] {
            assert_eq!(
                lines_found("tests/a.rs", &format!("fn a() {{\n    {call};\n}}\n")),
                [2],
                "{call}"
            );
        }
    }

    #[test]
    fn a_reason_beside_or_above_allows_it() {
        assert!(lines_found("a.rs", "sleep(d); // real delay: the kernel's timer\n").is_empty());
        assert!(lines_found("a.rs", "// real delay: two\n// lines\nsleep(d);\n").is_empty());
        assert_eq!(lines_found("a.rs", "// some delay\nsleep(d);\n"), [2]);
        assert_eq!(lines_found("a.rs", "// real delay: other\n\nsleep(d);\n"), [3]);
    }

    #[test]
    fn other_things_of_that_name_are_fine() {
        for text in [
            "use tokio::time::sleep;",
            "use std::thread::{sleep, spawn};",
            "fn sleep() {}",
            "bed.sleep()",
            "// sleep(1)",
        ] {
            assert!(lines_found("a.rs", text).is_empty(), "{text}");
        }
        assert!(lines_found("benches/a.rs", "sleep(d)").is_empty());
    }
}
