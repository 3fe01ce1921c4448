//! What happened, the newest last.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use rondel_event::Level;

use crate::action::Pane;
use crate::app::{App, LogLine};
use crate::draw::{block, title};
use crate::layout::inside;
use crate::text;
use crate::theme::Role;
use crate::words;

pub fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    let inner = inside(area);
    let height = usize::from(inner.height);
    let n_lines = app.ui.log.len();
    let end = n_lines.saturating_sub(app.ui.log_up).max(height.min(n_lines));
    let shown = app.ui.log.range(end.saturating_sub(height)..end);
    let line = |line: &LogLine| {
        let (glyph, role) = match line.level {
            Level::Error => ("✗", Role::Bad),
            Level::Warn => ("!", Role::Warn),
            Level::Info | Level::Debug => (" ", Role::Text),
        };
        let glyph = if app.ui.theme.is_ascii && glyph == "✗" { "x" } else { glyph };
        let time = format!(" {:>6} ", words::clock(line.at_ms));
        let room = usize::from(inner.width).saturating_sub(text::width(&time) + 2);
        // A name may be long, and what happened is what the line is for.
        let step = line.step.as_ref().map(|step| text::cut_inside(step, room / 2) + " ").unwrap_or_default();
        let room = room.saturating_sub(text::width(&step));
        Line::from(vec![
            Span::styled(time, app.ui.theme.style(Role::Dim)),
            Span::styled(format!("{glyph} "), app.ui.theme.style(role)),
            Span::styled(step, app.ui.theme.style(Role::Known)),
            Span::styled(text::cut(&line.text, room), app.ui.theme.style(role)),
        ])
    };
    let lines: Vec<Line<'_>> = shown.map(line).collect();
    let heading = match n_lines - end {
        0 => title(Pane::Log),
        n => format!(" {} · {n} more below ", words::pane(Pane::Log)),
    };
    frame.render_widget(Paragraph::new(lines).block(block(app, Pane::Log, heading)), area);
}
