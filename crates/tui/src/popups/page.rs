//! A list from whoever runs the graph: the cache, earlier runs, or two runs side by side.

use ratatui::text::Line;

use super::Sheet;
use crate::app::App;
use crate::news::Page;
use crate::text;
use crate::theme::Role;
use crate::words;

pub fn sheet(app: &App, at: usize) -> Sheet<'_> {
    let (title, rows) = match &app.ui.page {
        None => ("", vec![Line::styled(format!(" {}", words::ASKED), app.ui.theme.style(Role::Dim))]),
        Some((page, rows)) => {
            let title = match page {
                Page::Cache => words::CACHE_TITLE,
                Page::Runs => words::RUNS_TITLE,
                Page::Difference => words::DIFFERENCE_TITLE,
            };
            (title, rows.iter().map(|row| Line::raw(format!(" {}", text::tidy(&row.text)))).collect())
        }
    };
    Sheet { title: title.to_owned(), head: Vec::new(), rows, at, is_list: true, width: 100 }
}
