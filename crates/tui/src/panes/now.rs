//! What runs now: what it tells of itself, how fast it is, memory, and how much was known.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use rondel_event::{Gauge, How, State, StepView};
use rondel_value::cost::bytes_text;

use crate::action::Pane;
use crate::app::{App, Curves};
use crate::draw::{block, title};
use crate::layout::inside;
use crate::theme::Role;
use crate::words;

pub fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(inside(area).width);
    let mut lines = Vec::new();
    if let Some((step, curves)) = told(app) {
        lines.extend(curves.values.iter().take(2).map(|(name, values)| curve(app, name, values, width)));
        lines.extend(speed(step, curves).map(|text| Line::raw(format!(" {text}"))));
    }
    if app.view.memory.used_bytes > 0 {
        lines.push(gauge(app, "memory", app.view.memory, width));
    }
    let n_known =
        app.view.count(How::KnownByRecipe) + app.view.count(How::KnownByContent) + app.view.count(How::UpToDate);
    let mut cache = format!(" cache  {n_known} known · {} ran", app.view.count(How::Ran));
    if app.view.cache.used_bytes > 0 {
        cache.push_str(&format!(" · {}", bytes_text(app.view.cache.used_bytes)));
    }
    lines.push(Line::raw(cache));
    frame.render_widget(Paragraph::new(lines).block(block(app, Pane::Now, title(Pane::Now))), area);
}

/// The step to tell of: the selected one if it runs or told something, else another that runs.
fn told(app: &App) -> Option<(&StepView, &Curves)> {
    let steps = &app.view.steps;
    let selected = app.selected_index().map(|index| &steps[index]);
    let has_told = |step: &&StepView| app.ui.curves.contains_key(&step.info.name);
    let running = || steps.values().find(|step| step.state == State::Running && has_told(step));
    let step = selected.filter(has_told).or_else(running)?;
    Some((step, app.ui.curves.get(&step.info.name)?))
}

fn curve<'a>(app: &App, name: &str, values: &[f64], width: usize) -> Line<'a> {
    let newest = values.last().copied().unwrap_or_default();
    let text = format!("{newest:.3}");
    let room = width.saturating_sub(name.chars().count() + text.len() + 4).min(32);
    let shown = &values[values.len().saturating_sub(room)..];
    Line::from(vec![
        Span::raw(format!(" {name} ")),
        Span::styled(app.ui.theme.curve(shown), app.ui.theme.style(Role::Accent)),
        Span::raw(format!(" {text}")),
    ])
}

/// `1.9 s a step · ~6 s left`
fn speed(step: &StepView, curves: &Curves) -> Option<String> {
    let (first, last) = (curves.done.first()?, curves.done.last()?);
    let n_done = last.1.checked_sub(first.1).filter(|n| *n > 0)?;
    let ms = (last.0 - first.0) / n_done as f64;
    let each = format!("{} each", words::span(ms));
    Some(match (step.state, &step.progress) {
        (State::Running, Some((done, total, _))) if total > done => {
            format!("{each} · ~{} left", words::span(ms * (total - done) as f64))
        }
        _ => each,
    })
}

fn gauge<'a>(app: &App, name: &str, gauge: Gauge, width: usize) -> Line<'a> {
    let used = bytes_text(gauge.used_bytes);
    let Some(limit) = gauge.limit_bytes.filter(|limit| *limit > 0) else { return Line::raw(format!(" {name} {used}")) };
    let text = format!("{used} of {}", bytes_text(limit));
    let part = gauge.used_bytes as f64 / limit as f64;
    let room = width.saturating_sub(name.len() + text.len() + 4).min(24);
    let role = if part > 0.9 { Role::Warn } else { Role::Good };
    Line::from(vec![
        Span::raw(format!(" {name} ")),
        Span::styled(app.ui.theme.bar(part, room), app.ui.theme.style(role)),
        Span::raw(format!(" {text}")),
    ])
}
