//! The last line: what can be done, by key or by click, or the newest words.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::action::Action;
use crate::app::App;
use crate::text;
use crate::theme::Role;

/// What is offered, the most important first; what has no room is left out.
const OFFERED: [(Action, &str); 13] = [
    (Action::Help, "help"),
    (Action::Quit, "quit"),
    (Action::Detail, "detail"),
    (Action::Inputs, "inputs"),
    (Action::NextPane, "pane"),
    (Action::Cancel, "cancel"),
    (Action::Rerun, "rerun"),
    (Action::Search, "find"),
    (Action::Palette, "do"),
    (Action::Pause, "pause"),
    (Action::Edit, "edit"),
    (Action::Zoom, "zoom"),
    (Action::Sheet, "sheet"),
];

/// The texts with the columns in which they stand.
fn offers(app: &App, width: u16) -> Vec<(Action, String, String, u16)> {
    let mut column = 1;
    let mut offers = Vec::new();
    for (action, word) in OFFERED {
        let Some(key) = app.ui.keys.first(&action) else { continue };
        let key = key.to_string();
        let text = format!(" {word}  ");
        let end = column + (key.chars().count() + text.chars().count()) as u16;
        if end > width {
            break;
        }
        offers.push((action, key, text, column));
        column = end;
    }
    offers
}

pub fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    let theme = &app.ui.theme;
    if let Some(hint) = &app.ui.hint {
        frame.render_widget(
            Line::styled(
                format!(" {}", text::cut(hint, usize::from(area.width).saturating_sub(2))),
                theme.style(Role::Warn),
            ),
            area,
        );
        return;
    }
    let mut line = Line::from(" ");
    for (_, key, text, _) in offers(app, area.width) {
        line.push_span(Span::styled(key, theme.style(Role::Accent)));
        line.push_span(Span::styled(text, theme.style(Role::Dim)));
    }
    frame.render_widget(line, area);
}

/// What is offered at a column.
pub fn action_at(app: &App, column: u16) -> Option<Action> {
    let offers = offers(app, app.ui.screen.width);
    let there = offers.into_iter().rev().find(|(_, _, _, from)| *from <= column)?;
    let end = there.3 + (there.1.chars().count() + there.2.chars().count()) as u16;
    (app.ui.hint.is_none() && column < end).then_some(there.0)
}
