//! The whole screen, from the state alone.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders};

use crate::action::Pane;
use crate::app::App;
use crate::layout;
use crate::panes;
use crate::popups;
use crate::theme::Role;
use crate::words;

/// Draws everything; changes nothing.
pub fn draw(app: &App, frame: &mut Frame<'_>) {
    let areas = layout::areas(frame.area(), app.ui.focus, app.ui.zoom);
    panes::header::draw(app, areas.header, frame);
    for (pane, area) in &areas.panes {
        match pane {
            Pane::Graph => panes::graph::draw(app, *area, frame),
            Pane::Steps => panes::steps::draw(app, *area, frame),
            Pane::Preview => panes::preview::draw(app, *area, frame),
            Pane::Now => panes::now::draw(app, *area, frame),
            Pane::Log => panes::log::draw(app, *area, frame),
        }
    }
    panes::footer::draw(app, areas.footer, frame);
    popups::draw(app, frame);
    if app.ui.theme.is_ascii {
        to_ascii(frame.buffer_mut());
    }
}

/// The border of a pane, with its name.
pub fn block<'a>(app: &App, pane: Pane, title: impl Into<Line<'a>>) -> Block<'a> {
    let role = if app.ui.focus == pane && app.ui.popup.is_none() { Role::FocusedBorder } else { Role::Border };
    bordered(app, role).title(title)
}

pub fn bordered<'a>(app: &App, role: Role) -> Block<'a> {
    Block::new().borders(Borders::ALL).border_set(app.ui.theme.border()).border_style(app.ui.theme.style(role))
}

/// ` steps ` as a title.
pub fn title(pane: Pane) -> String {
    format!(" {} ", words::pane(pane))
}

/// What a typewriter has instead of a letter: a last pass over everything, so that no pane has to think of it.
fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if cell.symbol().is_ascii() {
            continue;
        }
        let plain = match cell.symbol() {
            "·" | "–" | "—" | "─" => "-",
            "…" => ".",
            "×" => "x",
            "→" => ">",
            "│" => "|",
            "╭" | "╰" | "╮" | "╯" | "┬" | "┴" | "├" | "┤" | "┌" | "└" | "┐" | "┘" | "┼" => {
                "+"
            }
            "●" => "*",
            _ => "?",
        };
        cell.set_symbol(plain);
    }
}
