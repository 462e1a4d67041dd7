//! What tests measured, as lines of JSON that `scripts/table.mjs` puts together.
#![allow(dead_code)] // each including test uses its part

use std::fmt::Write;

/// Of what a line is.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Operations with weights of a tensor type.
    Type,
    /// Tiny models of an architecture.
    Architecture,
    /// A real model.
    Model,
}

/// The lines of one test.
pub struct Measured {
    kind: Kind,
    backend: &'static str,
    lines: String,
}

impl Measured {
    pub fn of(kind: Kind, backend: &'static str) -> Self {
        Self { kind, backend, lines: String::new() }
    }

    /// `worst` of `count` numbers that were compared as `what`.
    pub fn add(&mut self, name: &str, what: &str, worst: f64, count: usize) {
        let kind = match self.kind {
            Kind::Type => "type",
            Kind::Architecture => "architecture",
            Kind::Model => "model",
        };
        let backend = self.backend;
        // infinity is no JSON; null is no number for the table, which then fails
        let worst = if worst.is_finite() { format!("{worst:e}") } else { "null".to_owned() };
        writeln!(
            self.lines,
            r#"{{"kind":"{kind}","name":"{name}","what":"{what}","backend":"{backend}","worst":{worst},"count":{count}}}"#
        )
        .expect("memory");
    }

    /// The lines so far.
    pub fn lines(&self) -> std::str::Lines<'_> {
        self.lines.lines()
    }

    /// Writes the lines of `test`, in place of those of its last run.
    pub fn write(self, test: &str) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/out/measured/rust");
        std::fs::create_dir_all(folder).expect(folder);
        std::fs::write(format!("{folder}/{test}.jsonl"), self.lines).expect(test);
    }
}
