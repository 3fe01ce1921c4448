//! Finding a step: the selection moves while the text is typed.

use ratatui::text::{Line, Span};

use super::Sheet;
use crate::app::{App, Typed};
use crate::theme::Role;
use crate::words;

const WIDTH: u16 = 44;

pub fn sheet<'a>(app: &'a App, typed: &'a Typed) -> Sheet<'a> {
    let head = vec![Line::from(vec![
        Span::styled(" / ", app.ui.theme.style(Role::Accent)),
        Span::raw(typed.shown(super::inner_width(app, WIDTH).saturating_sub(4))),
    ])];
    let found = match &app.ui.hint {
        Some(hint) => hint.clone(),
        None => app.ui.selected.as_deref().unwrap_or_default().to_owned(),
    };
    let rows = vec![Line::styled(format!("   {found}"), app.ui.theme.style(Role::Dim))];
    Sheet { title: words::SEARCH_TITLE.to_owned(), head, rows, at: 0, is_list: false, width: WIDTH }
}
