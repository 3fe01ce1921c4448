//! What runs now: what it tells of itself, how fast it is, memory, and how much was known.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use rondel_event::{Gauge, How, State, StepView};
use rondel_value::cost::bytes_text;

use crate::action::Pane;
use crate::app::{App, Curves};
use crate::draw::block;
use crate::layout::inside;
use crate::text;
use crate::theme::Role;
use crate::words;

/// The columns of what a row is about, as a rule.
const NAME: usize = 6;

/// The most columns of a curve.
const MOST: usize = 32;

/// The columns of a gauge's bar.
const LEAST_BAR: usize = 4;
const MOST_BAR: usize = 20;

pub fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(inside(area).width);
    let mut rows = Vec::new();
    let told = told(app);
    if let Some((step, curves)) = told {
        rows.extend(curves.values.iter().take(2).map(|(name, values)| (name.as_str(), Told::Curve(values))));
        rows.extend(speed(step, curves).map(|text| ("pace", Told::Words(text))));
    }
    if app.view.memory.used_bytes > 0 {
        rows.push(("memory", Told::Gauge(app.view.memory, String::new())));
    }
    let tally = &app.ui.standing.tally;
    let known = format!("{} known · {} ran", tally.n_known(), tally.count(State::Over(How::Ran)));
    rows.push(("cache", Told::Gauge(app.view.cache, known)));
    let name_width = rows.iter().map(|(name, _)| text::width(name)).max().unwrap_or(0).max(NAME).min(width / 3);
    let line = |(name, told): &(&str, Told<'_>)| {
        let name = Span::styled(format!(" {}  ", text::padded(name, name_width)), app.ui.theme.style(Role::Dim));
        let mut line = Line::from(name);
        line.spans.extend(value(app, told, width.saturating_sub(name_width + 4)));
        line
    };
    let heading = match told {
        Some((step, _)) => {
            format!(" {} · {} ", words::pane(Pane::Now), text::cut_inside(&step.info.name, width.saturating_sub(10)))
        }
        None => format!(" {} ", words::pane(Pane::Now)),
    };
    let lines: Vec<Line<'_>> = rows.iter().map(line).collect();
    frame.render_widget(Paragraph::new(lines).block(block(app, Pane::Now, heading)), area);
}

/// What stands in a row behind its name.
enum Told<'a> {
    Curve(&'a [f64]),
    Words(String),
    /// With more words behind it.
    Gauge(Gauge, String),
}

fn value<'a>(app: &App, told: &Told<'_>, room: usize) -> Vec<Span<'a>> {
    match told {
        Told::Words(text) => vec![Span::raw(text::cut(text, room))],
        Told::Curve(values) => {
            let text = format!("{:.3}", values.last().copied().unwrap_or_default());
            let shown = room.saturating_sub(text.len() + 2).min(MOST).min(values.len());
            vec![
                Span::styled(app.ui.theme.curve(&values[values.len() - shown..]), app.ui.theme.style(Role::Accent)),
                Span::raw(format!("  {text}")),
            ]
        }
        Told::Gauge(gauge, more) => self::gauge(app, *gauge, more, room),
    }
}

/// `████░░░░ 1.2 GB of 20 GB · 3 known · 4 ran`; where there is little room, the bar alone says how much that is of the limit.
pub fn gauge<'a>(app: &App, gauge: Gauge, more: &str, room: usize) -> Vec<Span<'a>> {
    let used = bytes_text(gauge.used_bytes);
    let joined = |told: String| [told, more.to_owned()].into_iter().filter(|text| !text.is_empty());
    let text = |told: String| joined(told).collect::<Vec<_>>().join(" · ");
    let Some(limit) = gauge.limit_bytes.filter(|limit| *limit > 0) else {
        let told = if gauge.used_bytes > 0 { used } else { String::new() };
        return vec![Span::raw(text::cut(&text(told), room))];
    };
    let part = gauge.used_bytes as f64 / limit as f64;
    let role = if part > 0.9 { Role::Warn } else { Role::Good };
    let whole = text(format!("{used} of {}", bytes_text(limit)));
    let said = if text::width(&whole) + 1 + LEAST_BAR <= room { whole } else { text(used) };
    let bar = room.saturating_sub(text::width(&said) + 1).clamp(LEAST_BAR, MOST_BAR);
    let mut spans = Vec::from(app.ui.theme.bar(part, bar, role));
    spans.push(Span::raw(format!(" {}", text::cut(&said, room.saturating_sub(bar + 1)))));
    spans
}

/// The step to tell of: the selected one if it told something, else another that runs, else the last that told something.
fn told(app: &App) -> Option<(&StepView, &Curves)> {
    let steps = &app.view.steps;
    let selected = app.selected_index().map(|index| &steps[index]);
    let has_told = |step: &&StepView| app.ui.curves.get(&step.info.name).is_some_and(|told| !told.values.is_empty());
    let running = || app.ui.standing.running.iter().map(|index| &steps[*index]).find(has_told);
    let last = || app.ui.told_last.as_ref().and_then(|name| steps.get(name));
    let step = selected.filter(has_told).or_else(running).or_else(last)?;
    Some((step, app.ui.curves.get(&step.info.name)?))
}

/// `1.9 s a step · ~6 s left`
fn speed(step: &StepView, curves: &Curves) -> Option<String> {
    let (first, last) = (curves.done.first()?, curves.done.last()?);
    let n_done = last.1.checked_sub(first.1).filter(|n| *n > 0)?;
    // A clock that was set back says nothing of the pace.
    let ms = Some((last.0 - first.0) / n_done as f64).filter(|ms| *ms >= 0.0)?;
    let each = format!("{} a step", words::span(ms));
    Some(match (step.state, &step.progress) {
        (State::Running, Some((done, total, _))) if total > done => {
            format!("{each} · ~{} left", words::span(ms * (total - done) as f64))
        }
        _ => each,
    })
}
