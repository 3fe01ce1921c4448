//! A list from whoever runs the graph: the cache, earlier runs, or two runs side by side.

use ratatui::text::Line;

use super::Sheet;
use crate::app::App;
use crate::news::Page;
use crate::panes::now::gauge;
use crate::text;
use crate::theme::Role;
use crate::words;

const WIDTH: u16 = 110;

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
    let is_cache = matches!(app.ui.page, Some((Page::Cache, _)));
    let head = if is_cache { vec![size(app)] } else { Vec::new() };
    Sheet { title: title.to_owned(), head, rows, at, is_list: true, width: WIDTH }
}

/// How full the cache is.
fn size<'a>(app: &App) -> Line<'a> {
    let mut line = Line::from(" ");
    line.spans.extend(gauge(app, app.view.cache, "", super::inner_width(app, WIDTH).saturating_sub(2)));
    line
}
