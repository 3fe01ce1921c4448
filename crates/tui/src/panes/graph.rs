//! The graph in layers, scrolled so that the selected step is in sight.

use ratatui::Frame;
use ratatui::layout::Rect;
use rondel_event::State;

use crate::action::Pane;
use crate::app::App;
use crate::draw::{block, title};
use crate::layout::inside;
use crate::panes::steps::is_lit;
use crate::theme::Role;

pub fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    frame.render_widget(block(app, Pane::Graph, title(Pane::Graph)), area);
    let inner = inside(area);
    let (left, top) = corner(app, inner);
    let picture = &app.ui.graph;
    let buffer = frame.buffer_mut();
    let dim = app.ui.theme.style(Role::Dim);
    for (row, lines) in picture.drawing.lines.iter().enumerate().skip(top).take(usize::from(inner.height)) {
        for (column, line) in lines.iter().enumerate().skip(left).take(usize::from(inner.width)) {
            if !line.is_empty() {
                let (x, y) = (inner.x + (column - left) as u16, inner.y + (row - top) as u16);
                buffer[(x, y)].set_char(line.letter(app.ui.theme.is_ascii)).set_style(dim);
            }
        }
    }
    let selected = app.selected_group();
    for (at, (group, spot)) in picture.groups.iter().zip(&picture.drawing.spots).enumerate() {
        let Some(row) = spot.row.checked_sub(top).filter(|row| *row < usize::from(inner.height)) else { continue };
        let state = app.group_state(group);
        let (glyph, role) = app.ui.theme.step(state, is_lit(app));
        let label = match group.steps.len() {
            1 => format!("{glyph} {}", group.name),
            n => format!("{glyph} {} ×{n}", group.name),
        };
        let mut style = app.ui.theme.style(role);
        if state == State::Waiting {
            style = app.ui.theme.style(Role::Text);
        }
        if Some(at) == selected {
            style = style.patch(app.ui.theme.style(Role::Selected));
        }
        for (i, letter) in label.chars().enumerate() {
            let column = (spot.column + i).checked_sub(left).filter(|column| *column < usize::from(inner.width));
            if let Some(column) = column {
                buffer[(inner.x + column as u16, inner.y + row as u16)].set_char(letter).set_style(style);
            }
        }
    }
}

/// What of the drawing stands in the upper left of the pane; signed for none, because what is smaller is put in the middle by
/// the caller's eye: it begins at the left.
fn corner(app: &App, inner: Rect) -> (usize, usize) {
    let drawing = &app.ui.graph.drawing;
    let Some(spot) = app.selected_group().and_then(|at| drawing.spots.get(at)) else { return (0, 0) };
    let scroll = |middle: usize, room: u16, whole: usize| {
        let room = usize::from(room);
        middle.saturating_sub(room / 2).min(whole.saturating_sub(room))
    };
    let left = scroll(spot.column + spot.width / 2, inner.width, drawing.width);
    (left, scroll(spot.row, inner.height, drawing.height))
}

/// The box at a place of the screen.
pub fn group_at(app: &App, area: Rect, column: u16, row: u16) -> Option<usize> {
    let inner = inside(area);
    let (left, top) = corner(app, inner);
    let column = usize::from(column.checked_sub(inner.x)?) + left;
    let row = usize::from(row.checked_sub(inner.y)?) + top;
    let spots = &app.ui.graph.drawing.spots;
    spots.iter().position(|spot| spot.row == row && (spot.column..spot.column + spot.width).contains(&column))
}
