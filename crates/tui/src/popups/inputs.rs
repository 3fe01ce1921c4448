//! The inputs of the graph as a form: changing one runs what depends on it.

use ratatui::text::{Line, Span};

use super::Sheet;
use crate::app::{App, Form};
use crate::draw::cut;
use crate::news::Field;
use crate::theme::Role;
use crate::words;

pub fn sheet<'a>(app: &'a App, form: &'a Form) -> Sheet<'a> {
    let theme = &app.ui.theme;
    let fields = &app.ui.planned.fields;
    let name_width = fields.iter().map(|field| field.name.chars().count()).max().unwrap_or(0);
    let row = |(at, field): (usize, &Field)| {
        let typed = form.text.as_ref().filter(|_| at == form.row);
        let changed = app.ui.changed.get(&field.name);
        let (value, role) = match (typed, changed) {
            (Some(text), _) => (format!("{text}_"), Role::Accent),
            (None, Some(text)) => (text.clone(), Role::Warn),
            (None, None) => (field.value.clone(), Role::Text),
        };
        let origin = match changed {
            Some(_) => "changed here",
            None => &field.origin,
        };
        // Of a long text its end is where typing goes on.
        let value = match typed {
            Some(_) => value.chars().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect(),
            None => cut(&value, 40),
        };
        Line::from(vec![
            Span::raw(format!(" {:name_width$}  ", field.name)),
            Span::styled(format!("{value:<40}  "), theme.style(role)),
            Span::styled(origin.to_owned(), theme.style(Role::Dim)),
        ])
    };
    let mut rows: Vec<Line<'_>> = fields.iter().enumerate().map(row).collect();
    let mut head = Vec::new();
    match fields.get(form.row) {
        Some(field) => {
            let about = [field.ty.as_str(), field.range.as_str(), field.doc.as_str()];
            let about: Vec<&str> = about.into_iter().filter(|text| !text.is_empty()).collect();
            head.push(Line::styled(format!(" {}", about.join(" · ")), theme.style(Role::Dim)));
        }
        None => rows.push(Line::styled(format!(" {}", words::NO_INPUTS), theme.style(Role::Dim))),
    }
    Sheet { title: words::INPUTS_TITLE.to_owned(), head, rows, at: form.row, is_list: true, width: 76 }
}
