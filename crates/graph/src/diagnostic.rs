//! What a mistake looks like: a code, a sentence, places with remarks, and an offer.

use std::fmt;
use std::sync::Arc;

use serde_json::json;

use crate::source::{Source, Span};

/// One mistake in a file or on the command line.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// Stable: `graph::unknown-name`.
    pub code: &'static str,
    pub message: String,
    /// What the labels point into.
    pub source: Option<Arc<Source>>,
    pub labels: Vec<Label>,
    /// What would fit.
    pub help: Option<String>,
}

/// A remark at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
    /// Where to type; its place is the one in the header.
    pub primary: bool,
}

impl Diagnostic {
    /// A mistake without place and offer; see [`Diagnostic::at`] and [`Diagnostic::help`].
    pub fn new(code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic { code, message: message.into(), source: None, labels: Vec::new(), help: None }
    }

    /// Sets the file and the place where to type.
    pub fn at(mut self, source: &Arc<Source>, span: &Span, text: impl Into<String>) -> Diagnostic {
        self.source = Some(source.clone());
        self.labels.insert(0, Label { span: span.clone(), text: text.into(), primary: true });
        self
    }

    /// Adds the place that a contradicting fact came from, in the same file.
    pub fn also(mut self, span: &Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { span: span.clone(), text: text.into(), primary: false });
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn help_if(self, help: Option<String>) -> Diagnostic {
        Diagnostic { help: help.or(self.help.clone()), ..self }
    }

    /// A file that cannot be read; `path` as it was given.
    pub fn unreadable(path: &str, reason: &str) -> Diagnostic {
        crate::diagnostics::unreadable::unreadable(path, reason)
    }

    /// The place where to type.
    pub fn primary(&self) -> Option<&Label> {
        self.labels.iter().find(|label| label.primary).or(self.labels.first())
    }

    /// The form for editors; `start` and `end` are byte offsets, `line` and `column` count from one.
    pub fn to_json(&self) -> serde_json::Value {
        let labels: Vec<serde_json::Value> = self
            .labels
            .iter()
            .map(|label| {
                let (line, column) = self.source.as_ref().map_or((0, 0), |source| source.place(label.span.start));
                json!({
                    "start": label.span.start,
                    "end": label.span.end,
                    "line": line,
                    "column": column,
                    "text": label.text,
                    "primary": label.primary,
                })
            })
            .collect();
        json!({
            "code": self.code,
            "message": self.message,
            "file": self.source.as_ref().map(|source| source.name.as_str()),
            "labels": labels,
            "help": self.help,
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(miette::Severity::Error)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source.as_ref() as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        if self.source.is_none() || self.labels.is_empty() {
            return None;
        }
        Some(Box::new(self.labels.iter().map(|label| {
            let text = Some(label.text.clone()).filter(|text| !text.is_empty());
            match label.primary {
                true => miette::LabeledSpan::new_primary_with_span(text, label.span.clone()),
                false => miette::LabeledSpan::new_with_span(text, label.span.clone()),
            }
        })))
    }
}
