//! Every key and what it does, from the table of keys itself.

use ratatui::text::{Line, Span};

use super::Sheet;
use crate::app::App;
use crate::theme::Role;
use crate::words;

pub fn sheet(app: &App, at: usize) -> Sheet<'_> {
    let row = |(action, keys): (&crate::Action, &[crate::keys::Key])| {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        Line::from(vec![
            Span::styled(format!(" {:<18}", keys.join("  ")), app.ui.theme.style(Role::Accent)),
            Span::raw(format!("{:<15}", action.to_string())),
            Span::styled(action.words(), app.ui.theme.style(Role::Dim)),
        ])
    };
    let rows = app.ui.keys.table().map(row).collect();
    Sheet { title: words::HELP_TITLE.to_owned(), head: Vec::new(), rows, at, is_list: true, width: 84 }
}
