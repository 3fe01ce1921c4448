//! What each action does to the state, and what it asks of whoever runs the graph.

use super::{App, PictureMode, Popup};
use crate::action::{Action, Pane};
use crate::app::{Form, Typed};
use crate::layout;
use crate::news::{Page, Request};
use crate::popups;
use crate::words;

impl App {
    /// Does what a person asks for; what the run has to do about it is returned.
    pub fn update(&mut self, action: &Action) -> Vec<Request> {
        self.ui.hint = None;
        use Action::{Down, First, Last, Left, PageDown, PageUp, Right, Up};
        if !matches!(action, Left | Right | Up | Down | PageUp | PageDown | First | Last) {
            self.ui.popup_left = 0;
        }
        self.remember_run();
        match action {
            Action::Up => self.step_by(-1),
            Action::Down => self.step_by(1),
            Action::PageUp => self.step_by(-self.page_height()),
            Action::PageDown => self.step_by(self.page_height()),
            Action::First => self.step_by(isize::MIN),
            Action::Last => self.step_by(isize::MAX),
            Action::Left => self.sideways(-1),
            Action::Right => self.sideways(1),
            Action::NextPane => self.turn_panes(1),
            Action::PreviousPane => self.turn_panes(Pane::ALL.len() - 1),
            Action::Pane(pane) => self.focus(*pane),
            Action::Zoom => {
                self.ui.zoom = match self.ui.zoom {
                    Some(_) => None,
                    None => Some(self.ui.focus),
                }
            }
            Action::Before => self.turn_picture(PictureMode::Before),
            Action::Sheet if self.view.points.is_empty() => self.ui.hint = Some(words::NO_SWEEP.to_owned()),
            Action::Sheet => self.turn_picture(PictureMode::Sheet),
            Action::Fold => {
                self.ui.folds = Some(!self.ui.graph.is_folded);
                self.arrange();
            }
            Action::Search => self.ui.popup = Some(Popup::Search { text: Typed::default() }),
            Action::NextMatch => self.find_next(1),
            Action::Palette => self.ui.popup = Some(Popup::Palette { text: Typed::default(), at: 0 }),
            Action::Help => self.ui.popup = Some(Popup::Help { at: 0 }),
            Action::Mistakes => self.ui.popup = Some(Popup::Mistakes { up: 0 }),
            Action::Inputs => self.ui.popup = Some(Popup::Inputs(Form::default())),
            Action::Theme => {
                self.ui.theme = self.ui.theme.next();
                self.ui.shown.forget();
            }
            Action::Back => self.back(),
            Action::Select(name) => match self.view.steps.get_key_value(name.as_str()) {
                Some((name, _)) => {
                    self.ui.selected = Some(name.clone());
                    self.ui.is_following = false;
                }
                None => self.ui.hint = Some(words::NO_MATCH.to_owned()),
            },
            Action::Quit => return vec![Request::Quit],
            Action::Copy => {
                self.ui.hint = Some(format!("{}{}", words::COPIED, self.ui.planned.command));
                return vec![Request::Copy(self.ui.planned.command.clone())];
            }
            Action::Detail
            | Action::Cache
            | Action::Runs
            | Action::Pause
            | Action::Rerun
            | Action::Reseed
            | Action::Pin
            | Action::Replay
            | Action::Tidy
            | Action::Preset(_)
            | Action::Cancel
            | Action::Edit
            | Action::Write
            | Action::Set(..) => return self.ask(action),
        }
        Vec::new()
    }

    /// Actions that need somebody who runs the graph.
    fn ask(&mut self, action: &Action) -> Vec<Request> {
        if let Action::Detail = action {
            let Some(step) = self.ui.selected.clone() else { return Vec::new() };
            self.ui.popup = Some(Popup::Detail { up: 0 });
            return vec![Request::Detail(step)];
        }
        if let Action::Cache | Action::Runs = action {
            let page = if *action == Action::Cache { Page::Cache } else { Page::Runs };
            self.open_page(page);
            return vec![Request::Look(page)];
        }
        if let Action::Replay = action {
            return self.of_the_run(Request::Replay);
        }
        if !self.ui.is_commanding {
            self.ui.hint = Some(words::NOTHING_COMMANDS.to_owned());
            return Vec::new();
        }
        match action {
            Action::Pause => {
                self.ui.is_paused = !self.ui.is_paused;
                self.ui.hint = Some(if self.ui.is_paused { words::PAUSED } else { words::GOES_ON }.to_owned());
                vec![Request::Pause(self.ui.is_paused)]
            }
            Action::Cancel => {
                self.ui.hint = Some(words::CANCELLING.to_owned());
                vec![Request::Cancel]
            }
            Action::Rerun => self.ui.selected.clone().map(Request::Rerun).into_iter().collect(),
            Action::Reseed => self.ui.selected.clone().map(Request::Reseed).into_iter().collect(),
            Action::Pin => self.of_the_run(Request::Pin),
            Action::Tidy => {
                self.ui.hint = Some(words::TIDYING.to_owned());
                vec![Request::Tidy]
            }
            Action::Preset(name) => vec![Request::Preset(name.clone())],
            Action::Edit => {
                vec![Request::Edit { spot: self.mistaken_spot(), step: self.ui.selected.clone() }]
            }
            Action::Write => match self.ui.changed.is_empty() {
                true => {
                    self.ui.hint = Some(words::NO_CHANGE.to_owned());
                    Vec::new()
                }
                false => {
                    let changed = self.ui.changed.iter();
                    vec![Request::Write(changed.map(|(name, value)| (name.clone(), value.clone())).collect())]
                }
            },
            Action::Set(input, value) => {
                self.ui.changed.insert(input.clone(), value.clone());
                vec![Request::Set { input: input.clone(), value: value.clone() }]
            }
            _ => Vec::new(),
        }
    }

    /// Makes room for a list that is asked for.
    pub(super) fn open_page(&mut self, page: Page) {
        self.ui.page = None;
        self.ui.awaited = Some(page);
        self.ui.popup = Some(Popup::Page { at: 0 });
    }

    /// A request about the run that was chosen.
    fn of_the_run(&mut self, request: impl Fn(String) -> Request) -> Vec<Request> {
        match &self.ui.run {
            Some(run) => vec![request(run.clone())],
            None => {
                self.ui.hint = Some(words::NO_RUN.to_owned());
                Vec::new()
            }
        }
    }

    /// Whatever is opened over the list of runs, what it was at stays chosen.
    fn remember_run(&mut self) {
        if let (Some(Popup::Page { at }), Some((Page::Runs, rows))) = (&self.ui.popup, &self.ui.page) {
            self.ui.run = rows.get(*at).map(|row| row.id.clone()).filter(|id| !id.is_empty());
        }
    }

    fn turn_picture(&mut self, mode: PictureMode) {
        self.ui.picture_mode = if self.ui.picture_mode == mode { PictureMode::Newest } else { mode };
    }

    fn back(&mut self) {
        if self.ui.popup.take().is_none() {
            self.ui.zoom = None;
            self.ui.picture_mode = PictureMode::Newest;
            self.ui.is_following = true;
            self.ui.log_up = 0;
        }
    }

    fn focus(&mut self, pane: Pane) {
        self.ui.focus = pane;
        if self.ui.zoom.is_some() {
            self.ui.zoom = Some(pane);
        }
    }

    fn turn_panes(&mut self, by: usize) {
        let at = Pane::ALL.iter().position(|pane| *pane == self.ui.focus).unwrap_or(0);
        self.focus(Pane::ALL[(at + by) % Pane::ALL.len()]);
    }

    /// As many rows as the focused pane shows.
    fn page_height(&self) -> isize {
        let areas = layout::areas(self.ui.screen, self.ui.focus, self.ui.zoom);
        areas.of(self.ui.focus).map_or(10, |area| area.height.saturating_sub(3).max(1) as isize)
    }

    /// Goes up or down in what is open.
    fn step_by(&mut self, by: isize) {
        let n_popup_rows = self.n_popup_rows();
        if let Some(row) = self.popup_row() {
            *row = moved(*row, by, n_popup_rows);
            return;
        }
        match self.ui.focus {
            Pane::Log => {
                let n_lines = self.ui.log.len();
                self.ui.log_up = moved(self.ui.log_up, by.saturating_neg(), n_lines);
            }
            Pane::Graph if by.unsigned_abs() == 1 => self.step_in_graph(by),
            _ => {
                let (n_rows, at) = self.step_rows();
                if let Some(at) = at {
                    self.select_row(moved(at, by, n_rows));
                }
            }
        }
    }

    /// To the nearest box of the row above or below.
    fn step_in_graph(&mut self, by: isize) {
        let Some(at) = self.selected_group() else { return };
        let spots = &self.ui.graph.drawing.spots;
        let from = spots[at];
        let rows = spots.iter().map(|spot| spot.row);
        let row = match by < 0 {
            true => rows.filter(|row| *row < from.row).max(),
            false => rows.filter(|row| *row > from.row).min(),
        };
        let middle = from.column + from.width / 2;
        let there = spots.iter().enumerate().filter(|(_, spot)| Some(spot.row) == row);
        let nearest = there.min_by_key(|(_, spot)| (spot.column + spot.width / 2).abs_diff(middle));
        if let Some((nearest, _)) = nearest {
            self.select_group(nearest);
        }
    }

    /// In the graph to the next box of the row, in the list to the next step of a row that has several, elsewhere to the pane
    /// beside.
    fn sideways(&mut self, by: isize) {
        if self.ui.popup.is_some() {
            let most = popups::columns_to_the_right(self);
            self.ui.popup_left = self.ui.popup_left.saturating_add_signed(8 * by).min(most);
            return;
        }
        if self.ui.focus == Pane::Steps && self.has_rows_of_groups() && self.select_beside(by) {
            return;
        }
        if self.ui.focus != Pane::Graph {
            return self.turn_panes(if by < 0 { Pane::ALL.len() - 1 } else { 1 });
        }
        let Some(at) = self.selected_group() else { return };
        let spots = &self.ui.graph.drawing.spots;
        let from = spots[at];
        let of_row = spots.iter().enumerate().filter(|(_, spot)| spot.row == from.row);
        let next = match by < 0 {
            true => of_row.filter(|(_, spot)| spot.column < from.column).max_by_key(|(_, spot)| spot.column),
            false => of_row.filter(|(_, spot)| spot.column > from.column).min_by_key(|(_, spot)| spot.column),
        };
        if let Some((next, _)) = next {
            self.select_group(next);
        }
    }

    /// Selects the next step with what was searched for in its name, from the selected one on or behind it.
    pub(super) fn find_next(&mut self, from: usize) {
        let n_steps = self.view.steps.len();
        let at = self.selected_index().unwrap_or(0);
        let needle = self.ui.needle.to_lowercase();
        let mut round = (0..n_steps).map(|i| (at + from + i) % n_steps.max(1));
        let found = round
            .find(|i| self.view.steps.get_index(*i).is_some_and(|(name, _)| name.to_lowercase().contains(&needle)));
        match found.and_then(|i| self.view.steps.get_index(i)) {
            Some((name, _)) => {
                self.ui.selected = Some(name.clone());
                self.ui.is_following = false;
            }
            None => self.ui.hint = Some(words::NO_MATCH.to_owned()),
        }
    }
}

/// A place in a list after a move, inside of it.
fn moved(at: usize, by: isize, n: usize) -> usize {
    at.saturating_add_signed(by).min(n.saturating_sub(1))
}
