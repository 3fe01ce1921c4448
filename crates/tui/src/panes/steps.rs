//! The list of steps: the truth where the graph has no room. What folds into one box of the graph is one row here.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use rondel_event::{State, StepView};

use crate::action::Pane;
use crate::app::{App, Group, point_name};
use crate::draw::{block, title};
use crate::layout::{first_row, inside};
use crate::text;
use crate::theme::Role;
use crate::words;

/// The longest name that is shown whole.
const MOST_NAME: usize = 24;

/// The columns of a bar.
const BAR: usize = 12;

/// The columns in which a reason says something.
const LEAST_WHY: usize = 16;

/// A row before it is fitted to the pane.
struct Row {
    state: State,
    name: String,
    /// How much of it is done, if that is known.
    part: Option<f64>,
    text: String,
    /// Why it ran, where there is room.
    why: Option<String>,
}

pub fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    let inner = inside(area);
    let height = usize::from(inner.height);
    let (n_rows, selected) = app.step_rows();
    let first = first_row(n_rows, selected.unwrap_or(0), height);
    let rows: Vec<Row> = (first..n_rows.min(first + height)).filter_map(|at| row(app, at)).collect();
    let name_width = rows.iter().map(|row| text::width(&row.name)).max().unwrap_or(0).min(MOST_NAME);
    // Of those that have a reason; a bar stands for itself, and so does a long text.
    let with_why = rows.iter().filter(|row| row.why.is_some() && row.part.is_none());
    let text_width = with_why.map(|row| text::width(&row.text)).filter(|width| *width <= BAR).max().unwrap_or(0);
    let line = |(at, row): (usize, &Row)| {
        let (glyph, role) = app.ui.theme.step(row.state, is_lit(app));
        let room = usize::from(inner.width).saturating_sub(name_width + 6);
        let mut said = Vec::new();
        if let Some(part) = row.part
            && room > text::width(&row.text) + 5
        {
            said.extend(app.ui.theme.bar(part, (room - text::width(&row.text) - 1).min(BAR), role));
            said.push(Span::raw(" "));
        }
        let used: usize = said.iter().map(Span::width).sum();
        said.push(Span::styled(text::cut(&row.text, room - used), app.ui.theme.style(role)));
        // Reasons stand below each other.
        let used: usize = said.iter().map(Span::width).sum();
        let n_blanks = text_width.min(room).saturating_sub(used);
        said.push(Span::raw(" ".repeat(n_blanks)));
        let left = room + 1 - used - n_blanks;
        let why = row.why.as_ref().filter(|_| left > LEAST_WHY).map(|why| format!("  {why}")).unwrap_or_default();
        let mut line = Line::from(vec![
            Span::styled(format!(" {glyph} "), app.ui.theme.style(role)),
            Span::raw(format!("{}  ", text::padded(&text::cut_inside(&row.name, name_width), name_width))),
        ]);
        line.spans.extend(said);
        let why = text::padded(&text::cut(&why, left.saturating_sub(1)), left);
        line.push_span(Span::styled(why, app.ui.theme.style(Role::Dim)));
        match Some(first + at) == selected {
            true => app.ui.theme.select(line),
            false => line,
        }
    };
    let lines: Vec<Line<'_>> = match n_rows {
        0 => vec![Line::styled(format!(" {}", words::NO_STEPS), app.ui.theme.style(Role::Dim))],
        _ => rows.iter().enumerate().map(line).collect(),
    };
    let heading = match (n_rows > height, selected) {
        (true, Some(at)) => format!(" {} · {}/{n_rows} ", words::pane(Pane::Steps), at + 1),
        _ => title(Pane::Steps),
    };
    frame.render_widget(Paragraph::new(lines).block(block(app, Pane::Steps, heading)), area);
}

fn row(app: &App, at: usize) -> Option<Row> {
    if app.has_rows_of_groups() {
        let group = app.ui.graph.groups.get(at)?;
        if group.steps.len() > 1 {
            return Some(row_of_group(app, at, group));
        }
        return Some(row_of_step(&app.view.steps[group.steps[0]]));
    }
    Some(row_of_step(app.view.steps.get_index(at)?.1))
}

fn row_of_step(step: &StepView) -> Row {
    let name = step.info.label.as_deref().unwrap_or(&step.info.name).to_owned();
    let part = match (step.state, &step.progress) {
        (State::Running, Some((done, total, _))) if *total > 0 => Some(*done as f64 / *total as f64),
        _ => None,
    };
    let why = step.why.as_ref().map(ToString::to_string);
    Row { state: step.state, name, part, text: words::state(step), why }
}

/// All steps of a box: how many are done, and of the selected one how it stands.
fn row_of_group(app: &App, at: usize, group: &Group) -> Row {
    let tally = &group.tally;
    let is_under_way = tally.n_over() < tally.n_steps();
    let part = is_under_way.then(|| tally.n_over() as f64 / tally.n_steps() as f64);
    let mut text = words::tally(tally);
    if app.selected_group() == Some(at)
        && let Some(step) = app.selected_index().map(|index| &app.view.steps[index])
    {
        let short = point_name(&step.info.name).unwrap_or(&step.info.name);
        text = format!("{text} · {short} {}", words::state(step));
    }
    Row { state: tally.state(), name: group.label(), part, text, why: None }
}

/// Whether what runs is bright at this moment: it pulses by the second.
pub fn is_lit(app: &App) -> bool {
    ((app.ui.now_ms / 1000.0) as u64).is_multiple_of(2)
}

/// The row of the list in a row of the screen.
pub fn row_at(app: &App, area: Rect, row: u16) -> Option<usize> {
    let inner = inside(area);
    let at = usize::from(row.checked_sub(inner.y).filter(|at| *at < inner.height)?);
    let (n_rows, selected) = app.step_rows();
    let first = first_row(n_rows, selected.unwrap_or(0), usize::from(inner.height));
    Some(first + at).filter(|row| *row < n_rows)
}
