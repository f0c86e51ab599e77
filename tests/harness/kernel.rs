//! What a process left in the kernel.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;

use aya::programs::{ProgramError, ProgramInfo, loaded_programs};

use crate::wait_until;

/// Ids of the BPF programs that a process holds.
pub(crate) fn programs_of(pid: u32) -> HashSet<u32> {
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    let texts = infos.filter_map(|info| fs::read_to_string(info.path()).ok());
    texts
        .filter_map(|text| {
            text.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
        })
        .collect()
}

/// The kernel frees a program a moment after its last user has gone.
pub(crate) fn wait_until_unloaded(programs: &HashSet<u32>) {
    if programs.is_empty() {
        return;
    }
    wait_until("the kernel program is unloaded", || {
        let left = loaded_programs().filter_map(id).any(|id| programs.contains(&id));
        (!left).then_some(())
    });
}

/// `None` of a program that went while the list was read.
fn id(program: Result<ProgramInfo, ProgramError>) -> Option<u32> {
    match program {
        Ok(program) => Some(program.id()),
        Err(ProgramError::SyscallError(error)) if error.io_error.kind() == ErrorKind::NotFound => {
            None
        }
        Err(error) => panic!("this process may list programs: {error}"),
    }
}
