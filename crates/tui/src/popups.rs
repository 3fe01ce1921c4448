//! What lies over the panes, one file each.

pub mod detail;
pub mod help;
pub mod inputs;
pub mod mistakes;
pub mod page;
pub mod palette;
pub mod search;

use std::num::NonZeroU16;

use ratatui::Frame;
use ratatui::buffer::{Buffer, Cell, CellDiffOption};
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Clear, Paragraph};

use crate::app::{App, Popup};
use crate::draw::bordered;
use crate::layout::{first_row, inside, middle};
use crate::text;
use crate::theme::Role;

/// The letter that Kitty shows a piece of a picture for.
const PLACEHOLDER: char = '\u{10eeee}';

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

/// How many columns a popup of this width has inside of its border.
fn inner_width(app: &App, width: u16) -> usize {
    usize::from(inside(middle(app.ui.screen, width, 3)).width)
}

fn area(sheet: &Sheet<'_>, screen: Rect) -> Rect {
    middle(screen, sheet.width, (sheet.head.len() + sheet.rows.len() + 2) as u16)
}

/// Whether what is open lies over a part of the screen.
pub fn covers(app: &App, part: Rect) -> bool {
    sheet(app).is_some_and(|sheet| area(&sheet, app.ui.screen).intersects(part))
}

/// How many columns of the longest line have no room in the popup.
pub fn columns_to_the_right(app: &App) -> usize {
    let Some(sheet) = sheet(app) else { return 0 };
    let widest = sheet.rows.iter().map(Line::width).max().unwrap_or(0);
    widest.saturating_sub(inner_width(app, sheet.width))
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
    let inner = inside(area);
    let room = usize::from(inner.width);
    let n_rows = sheet.rows.len();
    if sheet.is_list
        && let Some(row) = sheet.rows.get_mut(sheet.at)
    {
        let mut line = std::mem::take(row);
        line.push_span(" ".repeat(room.saturating_sub(line.width())));
        *row = app.ui.theme.select(line);
    }
    let rows = sheet.rows.into_iter().skip(first).take(height);
    let lines: Vec<Line<'_>> = sheet.head.into_iter().chain(rows).take(usize::from(inner.height)).collect();
    let left = app.ui.popup_left;
    let too_long: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].width() > left + room).collect();
    let sent_once = sent_once(frame.buffer_mut(), area);
    frame.render_widget(Clear, area);
    let title = text::cut(&sheet.title, room.saturating_sub(2));
    let mut block = bordered(app, Role::FocusedBorder).title(format!(" {title} "));
    if n_rows > height {
        // Where in it this is: the chosen row, or the last one that is to be seen.
        let at = if sheet.is_list { sheet.at + 1 } else { first + height };
        block = block.title_bottom(Line::from(format!(" {at}/{n_rows} ")).right_aligned());
    }
    frame.render_widget(Paragraph::new(lines).scroll((0, left as u16)).block(block), area);
    for at in too_long {
        frame.buffer_mut()[(inner.right() - 1, inner.y + at as u16)].set_symbol("…");
    }
    if let Some(sequence) = sent_once {
        let cell = &mut frame.buffer_mut()[area.as_position()];
        let symbol = sequence + cell.symbol();
        cell.set_symbol(&symbol).set_diff_option(CellDiffOption::ForcedWidth(NonZeroU16::MIN));
    }
}

/// What goes to the terminal once, before the first letter of a part of the screen: a picture in the way of Kitty, whose cells
/// only name it from then on. If something lies over that letter, the picture has to go along with what does.
fn sent_once(buffer: &Buffer, area: Rect) -> Option<String> {
    let symbols = area.positions().filter_map(|position| buffer.cell(position));
    let symbol = symbols.map(Cell::symbol).find(|symbol| symbol.starts_with('\x1b'))?;
    Some(symbol[..symbol.find(PLACEHOLDER)?].to_owned())
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
