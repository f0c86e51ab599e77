//! Benches: `cargo xtask bench mapping` and `cargo xtask bench bus`.
