//! What a bench shows: printed, and below `target/bench` as Markdown, JSON and SVG.

use std::env;
use std::fmt::{Display, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::machine::Machine;
use crate::picture::Picture;

/// The report of one bench.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    text: String,
    data: Map<String, Value>,
    pictures: Vec<(String, Picture)>,
}

impl Report {
    /// Begins with where, when and how it was measured.
    pub fn new(name: &'static str) -> Result<Self> {
        let machine = Machine::here();
        // What came on the command line, besides the `--bench` that cargo adds.
        let words = env::args().skip(1).filter(|word| word != "--bench");
        let command: Vec<String> =
            ["cargo xtask bench", name].map(String::from).into_iter().chain(words).collect();
        let command = command.join(" ");
        let text = format!("{machine}, `{command}`\n");
        let mut report = Self { name, text, data: Map::new(), pictures: Vec::new() };
        report.data("machine", &machine)?;
        report.data("command", &command)?;
        Ok(report)
    }

    /// A table, or a paragraph.
    pub fn say(&mut self, text: &impl Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "\n{}", text.to_string().trim_end());
    }

    /// Figures for programs.
    pub fn data(&mut self, name: &str, data: &impl Serialize) -> Result<()> {
        self.data.insert(name.into(), serde_json::to_value(data)?);
        Ok(())
    }

    /// A picture; the bench's first one is named as the bench.
    pub fn picture(&mut self, picture: Picture) {
        let name = match self.pictures.len() {
            0 => self.name.to_owned(),
            number => format!("{}-{}", self.name, number + 1),
        };
        self.pictures.push((name, picture));
    }

    /// Prints the text and writes everything.
    pub fn write(&self) -> Result<()> {
        println!("\n{}", self.text);
        let folder = folder();
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let write = |file: String, content: String| {
            let path = folder.join(file);
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
        };
        write(format!("{}.md", self.name), self.text.clone())?;
        write(format!("{}.json", self.name), serde_json::to_string_pretty(&self.data)?)?;
        for (name, picture) in &self.pictures {
            write(format!("{name}.svg"), picture.svg()?)?;
        }
        println!("Written to {}", folder.display());
        Ok(())
    }
}

fn folder() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.unwrap_or(Path::new(".")).join("target/bench")
}
