//! `unsafe` lives in one room, besides the kernel program, which cannot do without.

use super::source::{Finding, Source};

const ALLOWED: &[&str] = &["sticky-user/src/sys/", "sticky-ebpf/src/program/"];

pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    if ALLOWED.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    let message = "`unsafe` is for sticky-user/src/sys/ and the kernel program only: \
                   give it a safe function there";
    source.places("unsafe").map(|at| (source.tokens[at].line, message.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_in_its_rooms_only() {
        let text = "fn a() {\n    unsafe { b() }\n}\n";
        let found = |path| {
            check(&Source::read(path, text).unwrap())
                .iter()
                .map(|(line, _)| *line)
                .collect::<Vec<_>>()
        };
        assert_eq!(found("sticky-user/src/app/mod.rs"), [2]);
        assert_eq!(found("sticky-ebpf/src/lib.rs"), [2]);
        assert!(found("sticky-user/src/sys/fd.rs").is_empty());
        assert!(found("sticky-ebpf/src/program/steer.rs").is_empty());
    }
}
