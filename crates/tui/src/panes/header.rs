//! The first line: which graph, how far, since when, and how it stands.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use rondel_event::Outcome;

use crate::app::App;
use crate::text;
use crate::theme::Role;
use crate::words;

pub fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    let theme = &app.ui.theme;
    let mut left = vec![Span::styled(format!(" {}", words::TITLE), theme.style(Role::Accent))];
    let file = match app.ui.planned.file.is_empty() {
        true => &app.view.graph.name,
        false => &app.ui.planned.file,
    };
    let mut told = Vec::new();
    if !file.is_empty() {
        told.push(file.clone());
    }
    if !app.view.steps.is_empty() {
        told.push(format!("{}/{} steps", app.ui.standing.tally.n_over(), app.view.steps.len()));
    }
    if !app.view.points.is_empty() {
        told.push(words::count(app.view.points.len(), "point"));
    }
    if app.view.run.is_some() {
        told.push(words::clock(app.ui.now_ms));
    }
    let (glyph, role) = match app.view.outcome {
        _ if app.view.run.is_none() => ("", Role::Dim),
        None => ("●", Role::Accent),
        Some(Outcome::Done) => ("●", Role::Good),
        Some(Outcome::Failed) => ("●", Role::Bad),
        Some(Outcome::Partial | Outcome::Cancelled) => ("●", Role::Warn),
    };
    let mut right = Vec::new();
    if !app.ui.mistakes.is_empty() {
        let text = format!(" {} (m) ", words::count(app.ui.mistakes.len(), "mistake"));
        right.push(Span::styled(text, theme.style(Role::Bad)));
    }
    if !app.ui.changed.is_empty() {
        right.push(Span::styled(
            format!(" {} not in the file (w) ", words::count(app.ui.changed.len(), "input")),
            theme.style(Role::Warn),
        ));
    }
    if app.ui.is_paused {
        right.push(Span::styled(" paused ", theme.style(Role::Warn)));
    }
    if app.view.run.is_some() {
        right.push(Span::styled(format!(" {glyph} {} ", words::outcome(app.view.outcome)), theme.style(role)));
    }
    let right = Line::from(right);
    let width = (right.width() as u16).min(area.width);
    // How it stands is worth more than what it is called.
    let room = usize::from(area.width - width).saturating_sub(text::width(words::TITLE) + 2);
    let told: String = told.into_iter().map(|text| format!(" · {text}")).collect();
    left.push(Span::raw(text::cut(&told, room)));
    frame.render_widget(Line::from(left), area);
    frame.render_widget(right, Rect::new(area.right() - width, area.y, width, 1));
}
