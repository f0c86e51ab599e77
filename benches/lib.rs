//! Benches of the mapping: `cargo bench -p sticky-benches`.
