//! The graph in layers: in the middle of the pane if it fits, else scrolled so that the selected step is in sight. What that is
//! made from and what is made of it is underlined, where lines cross too often to be followed.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use rondel_event::State;

use crate::action::Pane;
use crate::app::{App, Group};
use crate::draw::{block, title};
use crate::layout::inside;
use crate::panes::steps::is_lit;
use crate::text;
use crate::theme::Role;
use crate::words;

pub fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    frame.render_widget(block(app, Pane::Graph, heading(app)), area);
    let inner = inside(area);
    if app.view.steps.is_empty() {
        frame.render_widget(Line::styled(format!(" {}", words::NO_STEPS), app.ui.theme.style(Role::Dim)), inner);
        return;
    }
    let view = view(app, inner);
    let picture = &app.ui.graph;
    let buffer = frame.buffer_mut();
    let dim = app.ui.theme.style(Role::Dim);
    for y in inner.top()..inner.bottom() {
        let Some(strip) = view.row(y).and_then(|row| picture.drawing.lines.get(row)) else { continue };
        for x in inner.left()..inner.right() {
            let line = view.column(x).map(|column| strip.at(column)).unwrap_or_default();
            if !line.is_empty() {
                buffer[(x, y)].set_char(line.letter(app.ui.theme.is_ascii)).set_style(dim);
            }
        }
    }
    let selected = app.selected_group();
    let beside = selected.and_then(|at| picture.groups.get(at)).map_or(&[][..], |group| &group.beside);
    for (at, (group, spot)) in picture.groups.iter().zip(&picture.drawing.spots).enumerate() {
        let Some(y) = view.y(spot.row).filter(|_| view.meets(spot.column, spot.width)) else { continue };
        let mut style = style(app, group);
        if beside.contains(&at) {
            style = style.add_modifier(Modifier::UNDERLINED);
        }
        if Some(at) == selected {
            style = app.ui.theme.selected(style);
        }
        let (glyph, _) = app.ui.theme.step(group.tally.state(), is_lit(app));
        let label = format!("{glyph} {}", text::tidy(&group.label()));
        let mut column = spot.column;
        for (i, (letter, width)) in text::letters(&label).enumerate() {
            // The glyph and the blank behind it are no part of the name.
            let style = if i < 2 { style.remove_modifier(Modifier::UNDERLINED) } else { style };
            let (first, last) = (view.x(column), view.x(column + width.max(1) - 1));
            if let (Some(x), Some(last), true) = (first, last, width > 0) {
                buffer[(x, y)].set_symbol(letter).set_style(style);
                // What a wide letter covers is not drawn beside it.
                (x + 1..=last).for_each(|x| buffer[(x, y)].reset());
            }
            column += width;
        }
    }
}

fn style(app: &App, group: &Group) -> Style {
    match group.tally.state() {
        State::Waiting => app.ui.theme.style(Role::Text),
        state => app.ui.theme.style(app.ui.theme.step(state, is_lit(app)).1),
    }
}

/// ` graph · folded `
fn heading(app: &App) -> String {
    match app.ui.graph.is_folded {
        true => format!(" {} · {} ", words::pane(Pane::Graph), words::FOLDED),
        false => title(Pane::Graph),
    }
}

/// What of the drawing stands where in the pane.
struct View {
    inner: Rect,
    /// The column and the row of the drawing in the upper left of the pane; negative where the drawing is smaller and stands in
    /// the middle.
    left: isize,
    top: isize,
}

impl View {
    fn column(&self, x: u16) -> Option<usize> {
        usize::try_from(self.left + (x - self.inner.x) as isize).ok()
    }

    fn row(&self, y: u16) -> Option<usize> {
        usize::try_from(self.top + (y - self.inner.y) as isize).ok()
    }

    /// Whether some of these columns are to be seen.
    fn meets(&self, column: usize, width: usize) -> bool {
        let first = column as isize - self.left;
        first < self.inner.width as isize && first + width as isize > 0
    }

    fn x(&self, column: usize) -> Option<u16> {
        let x = u16::try_from(column as isize - self.left).ok().filter(|x| *x < self.inner.width)?;
        Some(self.inner.x + x)
    }

    fn y(&self, row: usize) -> Option<u16> {
        let y = u16::try_from(row as isize - self.top).ok().filter(|y| *y < self.inner.height)?;
        Some(self.inner.y + y)
    }
}

fn view(app: &App, inner: Rect) -> View {
    let drawing = &app.ui.graph.drawing;
    let spot = app.selected_group().and_then(|at| drawing.spots.get(at)).copied();
    let scroll = |middle: usize, room: u16, whole: usize| match usize::from(room) {
        room if whole <= room => -(((room - whole) / 2) as isize),
        room => middle.saturating_sub(room / 2).min(whole - room) as isize,
    };
    let left = scroll(spot.map_or(0, |spot| spot.column + spot.width / 2), inner.width, drawing.width);
    // What is lower than the pane begins at its top, as a text does.
    let top = scroll(spot.map_or(0, |spot| spot.row), inner.height, drawing.height).max(0);
    View { inner, left, top }
}

/// The box at a place of the screen.
pub fn group_at(app: &App, area: Rect, column: u16, row: u16) -> Option<usize> {
    let inner = inside(area);
    if !inner.contains((column, row).into()) {
        return None;
    }
    let view = view(app, inner);
    let (column, row) = (view.column(column)?, view.row(row)?);
    let spots = &app.ui.graph.drawing.spots;
    spots.iter().position(|spot| spot.row == row && (spot.column..spot.column + spot.width).contains(&column))
}
