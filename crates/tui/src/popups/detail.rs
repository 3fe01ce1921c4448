//! All about one step: how it stands and why, what it is made of, and what it left.

use ratatui::text::{Line, Span};
use rondel_value::cost::bytes_text;

use super::Sheet;
use crate::app::App;
use crate::text;
use crate::theme::Role;
use crate::words;

const WIDTH: u16 = 100;

/// What is told by a digest.
const DIGESTS: [&str; 2] = ["key", "result"];

/// The columns of what a line is about.
const NAME: usize = 12;

pub fn sheet(app: &App, up: usize) -> Sheet<'_> {
    let name = app.ui.selected.as_deref().unwrap_or_default();
    let rows = lines(app).into_iter().map(|(key, text)| {
        let key = format!(" {} ", text::padded(&key, NAME));
        Line::from(vec![Span::styled(key, app.ui.theme.style(Role::Dim)), Span::raw(text)])
    });
    let title = format!("{}: {name}", words::DETAIL_TITLE);
    Sheet { title, head: Vec::new(), rows: rows.collect(), at: up, is_list: false, width: WIDTH }
}

/// What is said, by what it is; what has no room in a line goes on in the next one.
pub fn lines(app: &App) -> Vec<(String, String)> {
    let Some(step) = app.selected_index().map(|index| &app.view.steps[index]) else { return Vec::new() };
    let mut lines: Vec<(&str, String)> = vec![
        ("kind", step.info.kind.clone()),
        ("lane", step.info.lane.name().to_owned()),
        ("stands", words::state(step)),
    ];
    lines.extend(step.why.as_ref().map(|why| ("because", why.to_string())));
    if let Some(problem) = &step.problem {
        lines.extend(problem.message.lines().map(|line| ("problem", line.to_owned())));
        lines.extend(problem.place.as_ref().map(|at| ("at", format!("{}:{}:{}", at.file, at.line, at.column))));
    }
    if step.ms > 0.0 {
        lines.push(("took", words::span(step.ms)));
    }
    if step.peak_bytes > 0 {
        lines.push(("peak", bytes_text(step.peak_bytes)));
    }
    lines.extend(step.took.as_ref().map(|took| ("hands on", took.clone())));
    lines.extend(step.info.after.iter().map(|before| ("after", before.to_string())));
    let [key, result] = DIGESTS;
    lines.extend(step.action.as_ref().map(|action| (key, action.to_string())));
    lines.extend(step.outputs.iter().map(|output| (result, output.to_string())));
    let mut lines: Vec<(String, String)> = lines.into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
    if let Some((of, rows)) = &app.ui.details
        && *of == step.info.name
    {
        lines.extend(rows.iter().map(|row| (row.id.clone(), row.text.clone())));
    }
    let room = super::inner_width(app, WIDTH).saturating_sub(NAME + 3);
    let in_lines = |(key, said): (String, String)| {
        // Half of a digest says as much as the whole one.
        let said =
            if DIGESTS.contains(&key.as_str()) { vec![text::cut(&said, room)] } else { text::wrapped(&said, room) };
        let keys = std::iter::once(key).chain(std::iter::repeat(String::new()));
        keys.zip(said).collect::<Vec<_>>()
    };
    lines.into_iter().flat_map(in_lines).collect()
}
