//! What happened, the newest last.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use rondel_event::Level;

use crate::action::Pane;
use crate::app::{App, LogLine};
use crate::draw::{block, cut, title};
use crate::layout::inside;
use crate::theme::Role;
use crate::words;

pub fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    let inner = inside(area);
    let height = usize::from(inner.height);
    let end = app.ui.log.len().saturating_sub(app.ui.log_up).max(height.min(app.ui.log.len()));
    let shown = app.ui.log.range(end.saturating_sub(height)..end);
    let line = |line: &LogLine| {
        let role = match line.level {
            Level::Error => Role::Bad,
            Level::Warn => Role::Warn,
            Level::Info | Level::Debug => Role::Text,
        };
        let time = format!(" {:>6} ", words::clock(line.at_ms));
        let step = line.step.as_ref().map(|step| format!("{step} ")).unwrap_or_default();
        let room = usize::from(inner.width).saturating_sub(time.chars().count() + step.chars().count());
        Line::from(vec![
            Span::styled(time, app.ui.theme.style(Role::Dim)),
            Span::styled(step, app.ui.theme.style(Role::Known)),
            Span::styled(cut(&line.text, room), app.ui.theme.style(role)),
        ])
    };
    let lines: Vec<Line<'_>> = shown.map(line).collect();
    frame.render_widget(Paragraph::new(lines).block(block(app, Pane::Log, title(Pane::Log))), area);
}
