//! Mistakes of graphs, as people read them and as editors do.

use std::io::IsTerminal;

use miette::{GraphicalReportHandler, GraphicalTheme};
use rondel_graph::Diagnostic;

use crate::args::MessageFormat;
use crate::words;

/// Prints diagnostics: drawn on standard error, or one JSON object a line on standard output.
pub fn print(diagnostics: &[Diagnostic], format: MessageFormat) {
    for diagnostic in diagnostics {
        match format {
            MessageFormat::Human => say(diagnostic),
            MessageFormat::Json => words::data(diagnostic.to_json()),
        }
    }
}

/// As [`print`] draws it for people, but without colours.
pub fn plain(diagnostic: &Diagnostic) -> String {
    draw(diagnostic, GraphicalTheme::unicode_nocolor())
}

/// With colours, if nothing in it brings its own: what a file or a plugin says may hold such characters.
fn say(diagnostic: &Diagnostic) {
    let is_plain = !std::io::stderr().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    let text = plain(diagnostic);
    match is_plain || words::printable(&text) != text {
        true => words::say(text),
        false => words::say_drawn(draw(diagnostic, GraphicalTheme::unicode())),
    }
}

fn draw(diagnostic: &Diagnostic, theme: GraphicalTheme) -> String {
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false).with_context_lines(1);
    let mut text = String::new();
    match handler.render_report(&mut text, diagnostic) {
        Ok(()) => text,
        Err(std::fmt::Error) => format!("{}: {}", diagnostic.code, diagnostic.message),
    }
}
