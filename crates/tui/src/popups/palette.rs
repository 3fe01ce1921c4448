//! Doing something by its name.

use ratatui::text::{Line, Span};

use super::Sheet;
use crate::app::{App, Typed};
use crate::text;
use crate::theme::Role;
use crate::words;

const WIDTH: u16 = 76;

pub fn sheet<'a>(app: &'a App, typed: &'a Typed, at: usize) -> Sheet<'a> {
    let head = vec![Line::from(vec![
        Span::styled(" : ", app.ui.theme.style(Role::Accent)),
        Span::raw(typed.shown(super::inner_width(app, WIDTH).saturating_sub(4))),
    ])];
    let offers = app.offers(typed.text());
    let row = |action: &crate::Action| {
        let key = app.ui.keys.first(action).map(|key| key.to_string()).unwrap_or_default();
        Line::from(vec![
            Span::raw(format!(" {} ", text::padded(&action.to_string(), 16))),
            Span::styled(format!("{key:<10}"), app.ui.theme.style(Role::Accent)),
            Span::styled(action.words(), app.ui.theme.style(Role::Dim)),
        ])
    };
    let rows = offers.iter().map(row).collect();
    Sheet { title: words::PALETTE_TITLE.to_owned(), head, rows, at, is_list: true, width: WIDTH }
}
