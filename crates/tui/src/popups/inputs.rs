//! The inputs of the graph as a form: changing one runs what depends on it.

use ratatui::text::{Line, Span};

use super::Sheet;
use crate::app::{App, Form};
use crate::news::Field;
use crate::text;
use crate::theme::Role;
use crate::words;

/// The widest that it gets, and the least that it needs.
const MOST: u16 = 100;
const LEAST: u16 = 76;

pub fn sheet<'a>(app: &'a App, form: &'a Form) -> Sheet<'a> {
    let theme = &app.ui.theme;
    let fields = &app.ui.planned.fields;
    let width = (app.ui.screen.width * 4 / 5).clamp(LEAST, MOST);
    let inner = super::inner_width(app, width);
    let origin = |field: &'a Field| match app.ui.changed.get(&field.name) {
        Some(_) => words::CHANGED_HERE,
        None => &field.origin,
    };
    let widest =
        |of: &dyn Fn(&'a Field) -> &'a str| fields.iter().map(|field| text::width(of(field))).max().unwrap_or(0);
    let name_width = widest(&|field| &field.name).min(inner / 3);
    let origin_width = widest(&origin).max(text::width(words::CHANGED_HERE)).min(inner / 3);
    let value_width = inner.saturating_sub(name_width + origin_width + 6);
    let row = |(at, field): (usize, &'a Field)| {
        let typed = form.text.as_ref().filter(|_| at == form.row);
        let (value, role) = match (typed, app.ui.changed.get(&field.name)) {
            (Some(typed), _) => (typed.shown(value_width), Role::Accent),
            (None, Some(text)) => (text.clone(), Role::Warn),
            (None, None) => (field.value.clone(), Role::Text),
        };
        Line::from(vec![
            Span::raw(format!(" {}  ", text::padded(&field.name, name_width))),
            Span::styled(format!("{}  ", text::padded(&value, value_width)), theme.style(role)),
            Span::styled(text::padded(origin(field), origin_width + 1), theme.style(Role::Dim)),
        ])
    };
    let mut rows: Vec<Line<'_>> = fields.iter().enumerate().map(row).collect();
    rows.extend(app.ui.planned.presets.iter().map(|preset| {
        let name_width = name_width.max(text::width(words::PRESET));
        Line::from(vec![
            Span::styled(format!(" {}  ", text::padded(words::PRESET, name_width)), theme.style(Role::Dim)),
            Span::raw(format!("{}  ", text::cut(&preset.name, value_width))),
            Span::styled(text::cut(&preset.text, value_width), theme.style(Role::Dim)),
        ])
    }));
    let about = |field: &Field| {
        let about = [field.ty.as_str(), field.range.as_str(), field.doc.as_str()];
        let about: Vec<&str> = about.into_iter().filter(|text| !text.is_empty()).collect();
        text::wrapped(&about.join(" · "), inner.saturating_sub(2))
    };
    // As high as the longest needs, so that the rows stay where they are while somebody goes through them.
    let head_height = fields.iter().map(|field| about(field).len()).max().unwrap_or(0);
    let mut head: Vec<Line<'_>> = match fields.get(form.row) {
        Some(field) => {
            about(field).iter().map(|line| Line::styled(format!(" {line}"), theme.style(Role::Dim))).collect()
        }
        None => Vec::new(),
    };
    head.resize(head_height, Line::default());
    if rows.is_empty() {
        rows.push(Line::styled(format!(" {}", words::NO_INPUTS), theme.style(Role::Dim)));
    }
    Sheet { title: words::INPUTS_TITLE.to_owned(), head, rows, at: form.row, is_list: true, width }
}
