//! The `sticky` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    sticky_user::cli::main()
}
