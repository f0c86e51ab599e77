//! The best mode that the host allows.

use super::{Error, Mode, ModeChoice, probe};
use crate::causes;

/// A mode that was not taken, and why.
#[derive(Debug)]
pub struct Refusal {
    /// The mode.
    pub mode: Mode,
    /// Why the host does not allow it.
    pub error: Error,
}

impl Refusal {
    /// The error with its causes, on one line.
    pub fn why(&self) -> String {
        causes::on_one_line(&self.error)
    }
}

/// The mode to use, and why it is no better one.
#[derive(Debug)]
pub struct Choice {
    /// The mode to use.
    pub mode: Mode,
    /// The better ones that the host refused, the best first.
    pub refused: Vec<Refusal>,
}

/// Takes the mode that was asked for; for `auto` the first of ebpf, cbpf and fd-passing that this
/// host allows.
///
/// A mode that was asked for by name is not probed here: installing it tells.
pub fn choose(wanted: ModeChoice) -> Choice {
    let ModeChoice::Only(mode) = wanted else {
        return best(probe);
    };
    Choice { mode, refused: Vec::new() }
}

fn best(probe: impl Fn(Mode) -> Result<(), Error>) -> Choice {
    let mut refused = Vec::new();
    for mode in [Mode::Ebpf, Mode::Cbpf] {
        match probe(mode) {
            Ok(()) => return Choice { mode, refused },
            Err(error) => refused.push(Refusal { mode, error }),
        }
    }
    // The last resort is not probed: where it fails too, installing it says why.
    Choice { mode: Mode::FdPassing, refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(modes: &[Mode]) -> (Mode, Vec<Mode>) {
        let choice = best(|mode| modes.contains(&mode).then_some(()).ok_or(Error::NotBuilt));
        (choice.mode, choice.refused.iter().map(|refusal| refusal.mode).collect())
    }

    #[test]
    fn the_first_that_works() {
        assert_eq!(allowed(&Mode::ALL), (Mode::Ebpf, vec![]));
        assert_eq!(allowed(&[Mode::Cbpf]), (Mode::Cbpf, vec![Mode::Ebpf]));
        assert_eq!(allowed(&[]), (Mode::FdPassing, vec![Mode::Ebpf, Mode::Cbpf]));
    }
}
