//! What lies over the panes, one file each.

pub mod detail;
pub mod help;
pub mod inputs;
pub mod mistakes;
pub mod page;
pub mod palette;
pub mod search;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Clear, Paragraph};

use crate::app::{App, Popup};
use crate::draw::bordered;
use crate::layout::{first_row, inside, middle};
use crate::theme::Role;

/// A popup as it is drawn: a box of lines, of which some may stand for something.
pub struct Sheet<'a> {
    pub title: String,
    /// Lines that stay where they are, above the others.
    pub head: Vec<Line<'a>>,
    pub rows: Vec<Line<'a>>,
    /// The row that is chosen, or the first one that is shown.
    pub at: usize,
    pub is_list: bool,
    pub width: u16,
}

/// What was clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clicked {
    Row(usize),
    Nothing,
    Outside,
}

fn sheet(app: &App) -> Option<Sheet<'_>> {
    Some(match app.ui.popup.as_ref()? {
        Popup::Help { at } => help::sheet(app, *at),
        Popup::Palette { text, at } => palette::sheet(app, text, *at),
        Popup::Search { text } => search::sheet(app, text),
        Popup::Inputs(form) => inputs::sheet(app, form),
        Popup::Detail { up } => detail::sheet(app, *up),
        Popup::Mistakes { up } => mistakes::sheet(app, *up),
        Popup::Page { at } => page::sheet(app, *at),
    })
}

fn area(sheet: &Sheet<'_>, screen: Rect) -> Rect {
    middle(screen, sheet.width, (sheet.head.len() + sheet.rows.len() + 2) as u16)
}

/// The first row that is shown, and how many are.
fn window(sheet: &Sheet<'_>, area: Rect) -> (usize, usize) {
    let height = usize::from(inside(area).height).saturating_sub(sheet.head.len());
    let first = match sheet.is_list {
        true => first_row(sheet.rows.len(), sheet.at, height),
        false => sheet.at.min(sheet.rows.len().saturating_sub(height)),
    };
    (first, height)
}

pub fn draw(app: &App, frame: &mut Frame<'_>) {
    let Some(mut sheet) = sheet(app) else { return };
    let area = area(&sheet, frame.area());
    let (first, height) = window(&sheet, area);
    if sheet.is_list
        && let Some(row) = sheet.rows.get_mut(sheet.at)
    {
        *row = std::mem::take(row).patch_style(app.ui.theme.style(Role::Selected));
    }
    let rows = sheet.rows.into_iter().skip(first).take(height);
    let lines: Vec<Line<'_>> = sheet.head.into_iter().chain(rows).collect();
    frame.render_widget(Clear, area);
    let block = bordered(app, Role::FocusedBorder).title(format!(" {} ", sheet.title));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// What of the popup stands at a place of the screen.
pub fn row_at(app: &App, column: u16, row: u16) -> Clicked {
    let Some(sheet) = sheet(app) else { return Clicked::Outside };
    let area = area(&sheet, app.ui.screen);
    if !area.contains((column, row).into()) {
        return Clicked::Outside;
    }
    let (first, height) = window(&sheet, area);
    let at = usize::from(row).checked_sub(usize::from(area.y) + 1 + sheet.head.len());
    match at.filter(|at| *at < height && first + at < sheet.rows.len()) {
        Some(at) if sheet.is_list => Clicked::Row(first + at),
        _ => Clicked::Nothing,
    }
}
