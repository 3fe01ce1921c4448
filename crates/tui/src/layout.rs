//! Where the panes stand, for drawing them and for finding what was clicked.

use ratatui::layout::{Constraint, Layout, Rect};

use crate::action::Pane;

/// The parts of the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Areas {
    pub header: Rect,
    pub footer: Rect,
    /// Those that are to be seen.
    pub panes: Vec<(Pane, Rect)>,
}

impl Areas {
    pub fn of(&self, pane: Pane) -> Option<Rect> {
        self.panes.iter().find(|(it, _)| *it == pane).map(|(_, area)| *area)
    }

    pub fn at(&self, column: u16, row: u16) -> Option<(Pane, Rect)> {
        self.panes.iter().find(|(_, area)| area.contains((column, row).into())).copied()
    }
}

/// Lays the panes out: all where there is room, the graph or the steps where there is little, one where there is none.
pub fn areas(screen: Rect, focus: Pane, zoom: Option<Pane>) -> Areas {
    let [header, body, footer] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(screen);
    let panes = match zoom {
        Some(pane) => vec![(pane, body)],
        None if body.width < 60 || body.height < 12 => vec![(focus, body)],
        None => {
            let [left, right] = Layout::horizontal([Constraint::Percentage(42), Constraint::Min(0)]).areas(body);
            let now_height = 7;
            let mut panes = Vec::new();
            if body.height >= 30 {
                let [graph, steps] = Layout::vertical([Constraint::Percentage(55), Constraint::Min(0)]).areas(left);
                let [preview, now, log] =
                    Layout::vertical([Constraint::Min(0), Constraint::Length(now_height), Constraint::Percentage(28)])
                        .areas(right);
                panes.extend([
                    (Pane::Graph, graph),
                    (Pane::Steps, steps),
                    (Pane::Preview, preview),
                    (Pane::Now, now),
                    (Pane::Log, log),
                ]);
            } else {
                let [list, log] = Layout::vertical([Constraint::Min(0), Constraint::Length(7)]).areas(left);
                let [preview, now] =
                    Layout::vertical([Constraint::Min(0), Constraint::Length(now_height)]).areas(right);
                let first = if focus == Pane::Graph { Pane::Graph } else { Pane::Steps };
                panes.extend([(first, list), (Pane::Preview, preview), (Pane::Now, now), (Pane::Log, log)]);
            }
            panes
        }
    };
    Areas { header, footer, panes }
}

/// A box in the middle of the screen, of at most this size.
pub fn middle(screen: Rect, width: u16, height: u16) -> Rect {
    let width = width.min(screen.width.saturating_sub(2));
    let height = height.min(screen.height.saturating_sub(2));
    Rect::new(screen.x + (screen.width - width) / 2, screen.y + (screen.height - height) / 2, width, height)
}

/// What is inside of a border.
pub fn inside(area: Rect) -> Rect {
    Rect::new(area.x + 1, area.y + 1, area.width.saturating_sub(2), area.height.saturating_sub(2))
}

/// The first row to show of a list, so that row `at` is in its middle as far as that can be.
pub fn first_row(n_rows: usize, at: usize, height: usize) -> usize {
    at.saturating_sub(height / 2).min(n_rows.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_fill_the_screen_without_touching() {
        for (width, height) in [(80, 24), (120, 40), (200, 60), (30, 10)] {
            let screen = Rect::new(0, 0, width, height);
            for focus in Pane::ALL {
                let areas = areas(screen, focus, None);
                let filled: u32 = areas.panes.iter().map(|(_, area)| area.area()).sum();
                assert_eq!(filled, u32::from(width) * u32::from(height - 2));
                assert!(areas.of(focus).is_some(), "{focus:?} can be seen at {width}×{height}");
            }
        }
    }

    #[test]
    fn a_list_shows_what_is_selected() {
        assert_eq!([0, 3, 50, 99].map(|at| first_row(100, at, 10)), [0, 0, 45, 90]);
        assert_eq!(first_row(4, 3, 10), 0);
    }
}
