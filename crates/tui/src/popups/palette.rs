//! Doing something by its name.

use ratatui::text::{Line, Span};

use super::Sheet;
use crate::app::App;
use crate::theme::Role;
use crate::words;

pub fn sheet<'a>(app: &'a App, text: &'a str, at: usize) -> Sheet<'a> {
    let head =
        vec![Line::from(vec![Span::styled(" : ", app.ui.theme.style(Role::Accent)), Span::raw(format!("{text}_"))])];
    let offers = app.offers(text);
    let row = |action: &crate::Action| {
        let words = Span::styled(action.words(), app.ui.theme.style(Role::Dim));
        Line::from(vec![Span::raw(format!(" {:<18}", action.to_string())), words])
    };
    let rows = offers.iter().map(row).collect();
    Sheet { title: words::PALETTE_TITLE.to_owned(), head, rows, at, is_list: true, width: 70 }
}
