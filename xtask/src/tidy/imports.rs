//! Rooms of sticky-user import downwards only. The worker's side knows nothing of supervisor and
//! steering: that proves that a worker in any language can do the same.

use super::source::{Finding, Source};

const LIBRARY: &str = "sticky-user/src/";
/// Only the binary starts the command line.
const TOP: &str = "cli";
const TOP_IS_FOR: &str = "sticky-user/src/main.rs";

/// Room, and the rooms that it must not import; `cli` is shut for all.
const SHUT: &[(&str, &[&str])] = &[
    ("supervisor", &["worker", "app"]),
    ("worker", &["supervisor", "steering", "listener", "keeper", "launch", "app", "bus"]),
    ("app", &["supervisor", "steering", "listener", "keeper", "launch"]),
    ("steering", &["supervisor", "worker", "app", "bus", "keeper", "launch"]),
    ("bus", &["supervisor", "steering", "listener", "keeper", "launch", "worker", "app"]),
    ("listener", &["supervisor", "steering", "keeper", "launch", "worker", "app", "bus"]),
    ("keeper", &["supervisor", "steering", "listener", "launch", "worker", "app", "bus"]),
    ("launch", &["supervisor", "steering", "listener", "keeper", "worker", "app", "bus"]),
    (
        "backlog",
        &["supervisor", "steering", "listener", "keeper", "launch", "worker", "app", "bus"],
    ),
    ("turn", &["supervisor", "steering", "listener", "keeper", "launch", "worker", "app", "bus"]),
    ("notify", &["supervisor", "steering", "listener", "keeper", "launch", "worker", "app", "bus"]),
    ("sys", &[EVERYTHING]),
];
const EVERYTHING: &str = "*";

pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    let room = room_of(source.path);
    let shut = SHUT.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, shut)| shut);
    let is_shut = |import: &str| {
        let top = import == TOP && source.path != TOP_IS_FOR;
        import != room && (top || shut.contains(&import) || shut.contains(&EVERYTHING))
    };
    imports(source)
        .filter(|&at| is_shut(source.word(at)))
        .map(|at| {
            let import = source.word(at);
            let from = if room.is_empty() { "here" } else { room };
            (
                source.tokens[at].line,
                format!("`{import}` must not be imported in {from}: imports run downwards only"),
            )
        })
        .collect()
}

/// The top-level module that a file belongs to; empty outside the library.
fn room_of(path: &str) -> &str {
    let inside = path.strip_prefix(LIBRARY).unwrap_or_default();
    let first = inside.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first)
}

/// The places of names that stand right behind the root of the library, alone or in braces.
fn imports<'a>(source: &'a Source<'_>) -> impl Iterator<Item = usize> + 'a {
    let inside = source.path.starts_with(LIBRARY);
    let roots =
        source.places("::").filter(move |&at| match at.checked_sub(1).map(|at| source.word(at)) {
            Some("crate") => inside,
            Some("super") => inside && supers(source, at) >= depth(source.path),
            Some("sticky_user") => true,
            _ => false,
        });
    roots.flat_map(|at| names_from(source, at + 1))
}

fn names_from(source: &Source<'_>, at: usize) -> Vec<usize> {
    if source.word(at) != "{" {
        return vec![at];
    }
    let mut depth = 0;
    let mut names = Vec::new();
    for next in at..source.tokens.len() {
        match source.word(next) {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ if depth == 1 && ["{", ","].contains(&source.word(next - 1)) => names.push(next),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// How often `super::` stands in a row up to this separator.
fn supers(source: &Source<'_>, separator: usize) -> usize {
    let pair = |at: usize| source.word(at) == "::" && source.word(at - 1) == "super";
    (1..)
        .step_by(2)
        .map_while(|back| (separator + 1).checked_sub(back))
        .take_while(|&at| at > 0 && pair(at))
        .count()
}

/// How often `super` leads from a file's module to the root of the library.
fn depth(path: &str) -> usize {
    let parts = path.strip_prefix(LIBRARY).map_or(0, |inside| inside.split('/').count());
    parts - usize::from(path.ends_with("/mod.rs") && parts > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&Source::read(&format!("sticky-user/src/{path}"), text).unwrap()).len()
    }

    #[test]
    fn upward_imports_are_found_in_every_form() {
        assert_eq!(found("worker/mod.rs", "use crate::supervisor::Slot;"), 1);
        assert_eq!(found("worker.rs", "fn a() { crate::steering::b() }"), 1);
        assert_eq!(
            found("app/chat.rs", "use crate::{bus::{cli, X}, supervisor, worker::Y, steering::Z};"),
            2
        );
        assert_eq!(found("bus/redis.rs", "use super::super::app::Chat;"), 1);
        assert_eq!(found("bus/mod.rs", "use super::{app::Chat, sys};"), 1);
        assert_eq!(found("steering/ebpf.rs", "use crate::{bus, worker, app, supervisor, cli};"), 5);
        assert_eq!(found("sys/fd.rs", "use crate::error::Error;"), 1);
    }

    #[test]
    fn downward_imports_and_ones_own_room_are_fine() {
        assert_eq!(
            found("supervisor/mod.rs", "use crate::{steering, keeper, bus, sys, supervisor::x};"),
            0
        );
        assert_eq!(found("worker/serve.rs", "use crate::{sys, turn}; use super::steering;"), 0);
        assert_eq!(found("sys/fd.rs", "use super::x; use crate::sys::y; use std::io;"), 0);
        assert_eq!(found("cli/run.rs", "use crate::{cli::out, supervisor};"), 0);
    }

    #[test]
    fn only_main_imports_cli() {
        assert_eq!(found("main.rs", "use sticky_user::cli;"), 0);
        assert_eq!(found("lib.rs", "pub mod cli;"), 0);
        assert_eq!(found("lib.rs", "pub use crate::cli::Options;"), 1);
        assert_eq!(found("supervisor/mod.rs", "use crate::cli;"), 1);
        let outside = Source::read("tests/a.rs", "use sticky_user::cli; use crate::cli;").unwrap();
        assert_eq!(check(&outside).len(), 1);
    }
}
