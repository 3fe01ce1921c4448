//! The list of steps: the truth where the graph has no room.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use rondel_event::{State, StepView};

use crate::action::Pane;
use crate::app::App;
use crate::draw::{block, cut, title};
use crate::layout::{first_row, inside};
use crate::theme::Role;
use crate::words;

/// The longest name that is shown whole.
const MOST_NAME: usize = 24;

pub fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    let inner = inside(area);
    let height = usize::from(inner.height);
    let selected = app.selected_index();
    let first = first_row(app.view.steps.len(), selected.unwrap_or(0), height);
    let shown = || app.view.steps.values().enumerate().skip(first).take(height);
    let name_width = shown().map(|(_, step)| label(step).chars().count()).max().unwrap_or(0).min(MOST_NAME);
    let line = |(index, step): (usize, &StepView)| {
        let (glyph, role) = app.ui.theme.step(step.state, is_lit(app));
        let name = cut(label(step), name_width);
        let room = usize::from(inner.width).saturating_sub(name_width + 5);
        let mut text = words::state(step);
        if let (State::Running, Some((done, total, _))) = (step.state, &step.progress)
            && *total > 0
            && room > text.len() + 4
        {
            let bar = app.ui.theme.bar(*done as f64 / *total as f64, (room - text.len() - 1).min(12));
            text = format!("{bar} {text}");
        }
        let line = Line::from(vec![
            Span::styled(format!(" {glyph} "), app.ui.theme.style(role)),
            Span::raw(format!("{name:name_width$}  ")),
            Span::styled(cut(&text, room), app.ui.theme.style(role)),
        ]);
        match Some(index) == selected {
            true => line.patch_style(app.ui.theme.style(Role::Selected)),
            false => line,
        }
    };
    let lines: Vec<Line<'_>> = match app.view.steps.is_empty() {
        true => vec![Line::styled(format!(" {}", words::NO_STEPS), app.ui.theme.style(Role::Dim))],
        false => shown().map(line).collect(),
    };
    frame.render_widget(Paragraph::new(lines).block(block(app, Pane::Steps, title(Pane::Steps))), area);
}

fn label(step: &StepView) -> &str {
    step.info.label.as_deref().unwrap_or(&step.info.name)
}

/// Whether what runs is bright at this moment: it pulses by the second.
pub fn is_lit(app: &App) -> bool {
    ((app.ui.now_ms / 1000.0) as u64).is_multiple_of(2)
}

/// The name of the step in a row of the screen.
pub fn step_at(app: &App, area: Rect, row: u16) -> Option<String> {
    let inner = inside(area);
    let at = usize::from(row.checked_sub(inner.y).filter(|at| *at < inner.height)?);
    let first = first_row(app.view.steps.len(), app.selected_index().unwrap_or(0), usize::from(inner.height));
    app.view.steps.get_index(first + at).map(|(name, _)| name.to_string())
}
