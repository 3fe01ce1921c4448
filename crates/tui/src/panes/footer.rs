//! The last line: what can be done, by key or by click, or the newest words.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::action::Action;
use crate::app::{App, Form, Popup};
use crate::news::Page;
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

/// What is offered while something lies over the panes: `enter` and `esc` mean what they do there.
fn offered_in(app: &App, popup: &Popup) -> &'static [(Action, &'static str)] {
    match popup {
        Popup::Help { .. } | Popup::Palette { .. } => &[(Action::Detail, "do it"), (Action::Back, "close")],
        Popup::Search { .. } => &[(Action::Detail, "stay there"), (Action::Back, "close")],
        Popup::Inputs(Form { text: Some(_), .. }) => {
            &[(Action::Detail, "take it"), (Action::Back, "leave it as it was")]
        }
        Popup::Inputs(_) => {
            &[(Action::Detail, "change"), (Action::Write, "write into the file"), (Action::Back, "close")]
        }
        Popup::Mistakes { .. } => {
            &[(Action::Edit, "edit"), (Action::PageDown, "further down"), (Action::Back, "close")]
        }
        Popup::Page { .. } if matches!(app.ui.page, Some((Page::Runs, _))) => {
            &[(Action::Detail, "compare it with this one"), (Action::PageDown, "further down"), (Action::Back, "close")]
        }
        Popup::Detail { .. } | Popup::Page { .. } => &[(Action::PageDown, "further down"), (Action::Back, "close")],
    }
}

/// The texts with the columns in which they stand.
fn offers(app: &App, width: u16) -> Vec<(Action, String, String, u16)> {
    let mut column = 1;
    let mut offers = Vec::new();
    for (action, word) in app.ui.popup.as_ref().map_or(&OFFERED[..], |popup| offered_in(app, popup)) {
        let Some(key) = app.ui.keys.first(action) else { continue };
        let key = key.to_string();
        let text = format!(" {word}  ");
        let end = column + (key.chars().count() + text.chars().count()) as u16;
        if end > width {
            break;
        }
        offers.push((action.clone(), key, text, column));
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
