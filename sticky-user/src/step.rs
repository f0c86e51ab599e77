//! Errors that name the step that failed: "cannot open the control socket: ...".

use std::io;

/// "cannot STEP", with what came in the way as its source.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}{hint}")]
pub struct StepError {
    step: &'static str,
    hint: &'static str,
    source: io::Error,
}

impl StepError {
    /// `step` goes on after "cannot".
    pub(crate) fn new(step: &'static str, source: impl Into<io::Error>) -> Self {
        Self { step, hint: "", source: source.into() }
    }

    /// The same, with what follows from it, or is to be done, behind the step: ", so ..." or "; ...".
    pub(crate) fn with_hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }
}

/// Names the step of a result.
///
/// ```ignore
/// let listener = run_dir.bind_control().step("open the control socket")?;
/// ```
pub(crate) trait Step<T> {
    /// Where it is an error: "cannot `step`".
    fn step(self, step: &'static str) -> Result<T, StepError>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &'static str) -> Result<T, StepError> {
        self.map_err(|source| StepError::new(step, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes;

    #[test]
    fn a_step_and_its_cause_are_told_once_each() {
        let failed =
            Err::<(), _>(io::Error::other("it is full")).step("open the door").unwrap_err();
        assert_eq!(causes::on_one_line(&failed), "cannot open the door: it is full");
        let failed = failed.with_hint("; knock first");
        assert_eq!(causes::on_one_line(&failed), "cannot open the door; knock first: it is full");
    }
}
