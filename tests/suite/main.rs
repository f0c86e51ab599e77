//! What sticky promises, shown on the real thing: the binary, the kernel, Redis, and clients that
//! people use.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

/// Makes a test of each function for each mode; a mode that this host does not allow is skipped.
macro_rules! in_every_mode {
    ($($test:ident),+ $(,)?) => {
        in_modes!(ebpf: Ebpf, [$($test),+]);
        in_modes!(cbpf: Cbpf, [$($test),+]);
        in_modes!(fd_passing: FdPassing, [$($test),+]);
    };
}

/// The same for the modes that steer in the kernel.
macro_rules! in_every_kernel_mode {
    ($($test:ident),+ $(,)?) => {
        mod in_kernel {
            #[allow(unused_imports, reason = "which of them depends on the caller")]
            use super::*;
            in_modes!(ebpf: Ebpf, [$($test),+]);
            in_modes!(cbpf: Cbpf, [$($test),+]);
        }
    };
}

macro_rules! in_modes {
    ($module:ident: $mode:ident, [$($test:ident),+]) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    let mode = harness::Mode::$mode;
                    if !mode.is_out_of_reach() {
                        super::$test(mode);
                    }
                }
            )+
        }
    };
}

mod bad_input;
mod browser;
mod bus;
mod cli;
mod contract;
mod crash;
mod crash_loop;
mod dependencies;
mod digit_rule;
mod directories;
mod dual_stack;
mod early_data;
mod failover;
mod fd_passing;
mod fd_store;
mod flood;
mod foreign_listeners;
mod gone;
mod hang;
mod held_up;
mod hostile;
mod inherited;
mod languages;
mod log_steering;
mod mapping;
mod notify;
mod open_files;
mod pipeline;
mod reload;
mod removed;
mod rights;
mod shutdown;
mod socketio;
mod startup;
mod stop;
mod storm;
mod takeover;
mod upgrade;
mod user;
mod vandal;
