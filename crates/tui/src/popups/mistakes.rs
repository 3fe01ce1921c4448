//! What is wrong in the files, as `check` would print it.

use ratatui::text::Line;

use super::Sheet;
use crate::app::App;
use crate::text;
use crate::theme::Role;
use crate::words;

pub fn sheet(app: &App, up: usize) -> Sheet<'_> {
    let mut rows: Vec<Line<'_>> = Vec::new();
    for mistake in &app.ui.mistakes {
        rows.extend(mistake.text.lines().map(|line| Line::raw(format!(" {}", text::tidy(line)))));
        rows.push(Line::default());
    }
    if rows.is_empty() {
        rows.push(Line::styled(format!(" {}", words::NO_MISTAKES), app.ui.theme.style(Role::Dim)));
    }
    Sheet { title: words::MISTAKES_TITLE.to_owned(), head: Vec::new(), rows, at: up, is_list: false, width: 110 }
}
