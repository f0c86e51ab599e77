//! Polls of sessions, which wait without hyper.
