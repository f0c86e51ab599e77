//! Where and when it was measured.

use std::fs;
use std::thread::available_parallelism;
use std::time::SystemTime;

use rustix::system::uname;
use serde::Serialize;

/// What a figure is worth nothing without.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    date: String,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Self {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == "model name").then(|| value.trim().to_owned())
        });
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self {
            processor: model.unwrap_or_else(|| "unknown processor".into()),
            cores: available_parallelism().map_or(1, usize::from),
            kernel: uname().release().to_string_lossy().into_owned(),
            date: now.split('T').next().unwrap_or_default().to_owned(),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { processor, cores, kernel, date } = self;
        write!(f, "{processor}, {cores} cores, Linux {kernel}, {date}")
    }
}
