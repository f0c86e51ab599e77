//! `which` and `doctor`, as a person types them.

mod doctor;
mod which;
