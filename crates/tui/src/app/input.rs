//! From keys and the mouse to actions.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};

use rondel_event::Report;

use super::{App, Popup, Typed};
use crate::action::{Action, Pane};
use crate::keys::Key;
use crate::layout;
use crate::news::{Field, News, Page, Request};
use crate::panes;
use crate::popups;
use crate::screen::Incoming;

impl App {
    /// A key was pressed.
    pub fn key(&mut self, event: KeyEvent) -> Vec<Request> {
        if event.kind == KeyEventKind::Release {
            return Vec::new();
        }
        if let Some(requests) = self.typed(event) {
            return requests;
        }
        let action = self.ui.keys.action(Key::from(event)).cloned();
        match action {
            // What is chosen in a list is what enter means there.
            Some(Action::Detail) if self.ui.popup.is_some() => self.choose(),
            // In front of the panes, `q` closes what is open, as in a pager.
            Some(Action::Quit) if self.ui.popup.is_some() && event.code == KeyCode::Char('q') => {
                self.update(&Action::Back)
            }
            Some(action) => self.update(&action),
            None => Vec::new(),
        }
    }

    /// Whether something that comes in can change what is to be seen.
    pub fn minds(&self, incoming: &Incoming) -> bool {
        match incoming {
            Incoming::News(News::Resources { memory, cache }) => {
                (*memory, *cache) != (self.view.memory, self.view.cache)
            }
            Incoming::News(_) | Incoming::Picture(_) | Incoming::Back(_) => true,
            Incoming::Input(Event::Key(event)) => {
                event.kind != KeyEventKind::Release
                    && (self.is_typing() || self.ui.keys.action(Key::from(*event)).is_some())
            }
            Incoming::Input(Event::Mouse(event)) => matches!(
                event.kind,
                MouseEventKind::ScrollUp | MouseEventKind::ScrollDown | MouseEventKind::Down(MouseButton::Left)
            ),
            Incoming::Input(Event::Paste(_)) => self.is_typing(),
            Incoming::Input(Event::Resize(..)) => true,
            Incoming::Input(Event::FocusGained | Event::FocusLost) => false,
        }
    }

    /// Whether keys are letters of a text.
    fn is_typing(&self) -> bool {
        match &self.ui.popup {
            Some(Popup::Palette { .. } | Popup::Search { .. }) => true,
            Some(Popup::Inputs(form)) => form.text.is_some(),
            _ => false,
        }
    }

    /// Several letters at once.
    pub fn paste(&mut self, text: &str) {
        if let Some(typed) = self.text() {
            // One line is all that there is.
            typed.insert(&text.replace(['\n', '\r'], " "));
        }
    }

    /// The text that is being typed.
    fn text(&mut self) -> Option<&mut Typed> {
        match self.ui.popup.as_mut()? {
            Popup::Palette { text, .. } | Popup::Search { text } => Some(text),
            Popup::Inputs(form) => form.text.as_mut(),
            _ => None,
        }
    }

    /// Keys while a text is typed; none if the key means what it always means.
    fn typed(&mut self, event: KeyEvent) -> Option<Vec<Request>> {
        let before = self.text()?.text().to_owned();
        match event.code {
            KeyCode::Enter => return Some(self.choose()),
            KeyCode::Esc => match &mut self.ui.popup {
                Some(Popup::Inputs(form)) => form.text = None,
                popup => *popup = None,
            },
            _ if self.text()?.key(event) => {}
            _ => return None,
        }
        if self.text().is_some_and(|typed| typed.text() == before) {
            return Some(Vec::new());
        }
        // Another text has other offers.
        if let Some(Popup::Palette { at, .. }) = &mut self.ui.popup {
            *at = 0;
        }
        if let Some(Popup::Search { text }) = &self.ui.popup {
            self.ui.needle = text.text().to_owned();
            if !self.ui.needle.is_empty() {
                self.find_next(0);
            }
        }
        Some(Vec::new())
    }

    /// Enter, where something is open.
    fn choose(&mut self) -> Vec<Request> {
        match self.ui.popup.take() {
            Some(Popup::Help { at }) => self.do_nth(at),
            Some(Popup::Palette { text, at }) => match self.offers(text.text()).get(at).cloned() {
                Some(action) => self.update(&action),
                None => {
                    self.ui.hint = text.text().parse::<Action>().err().map(|error| error.to_string());
                    Vec::new()
                }
            },
            Some(Popup::Search { .. }) => Vec::new(),
            Some(Popup::Inputs(mut form)) => {
                let field = self.ui.planned.fields.get(form.row).cloned();
                // Behind the inputs stand the presets.
                let preset = form.row.checked_sub(self.ui.planned.fields.len());
                let preset = preset.and_then(|at| Some(self.ui.planned.presets.get(at)?.name.clone()));
                // What was typed before may not run yet: it counts, and not what the plan says.
                let newest = |field: &Field| self.ui.changed.get(&field.name).unwrap_or(&field.value).clone();
                let requests = match (form.text.take(), field) {
                    (Some(typed), Some(field)) if typed.text() != newest(&field) => {
                        self.update(&Action::Set(field.name, typed.text().to_owned()))
                    }
                    (_, None) => preset.map(|name| self.update(&Action::Preset(name))).unwrap_or_default(),
                    (Some(_), Some(_)) => Vec::new(),
                    (None, Some(field)) => {
                        form.text = Some(Typed::behind(newest(&field)));
                        Vec::new()
                    }
                };
                self.ui.popup = Some(Popup::Inputs(form));
                requests
            }
            Some(Popup::Page { at }) => match &self.ui.page {
                Some((Page::Runs, rows)) if rows.get(at).is_some_and(|row| !row.id.is_empty()) => {
                    let id = rows[at].id.clone();
                    self.open_page(Page::Difference);
                    vec![Request::Compare(id, Box::new(Report::of(&self.view)))]
                }
                _ => Vec::new(),
            },
            Some(Popup::Detail { .. } | Popup::Mistakes { .. }) | None => Vec::new(),
        }
    }

    /// Does what stands in a row of the help.
    fn do_nth(&mut self, row: usize) -> Vec<Request> {
        let action = self.ui.keys.table().nth(row).map(|(action, _)| action.clone());
        action.map(|action| self.update(&action)).unwrap_or_default()
    }

    /// The mouse did something.
    pub fn mouse(&mut self, event: MouseEvent) -> Vec<Request> {
        let (column, row) = (event.column, event.row);
        match event.kind {
            MouseEventKind::ScrollUp => self.wheel(column, row, &Action::Up),
            MouseEventKind::ScrollDown => self.wheel(column, row, &Action::Down),
            MouseEventKind::Down(MouseButton::Left) => self.click(column, row),
            _ => Vec::new(),
        }
    }

    fn wheel(&mut self, column: u16, row: u16, action: &Action) -> Vec<Request> {
        if self.ui.popup.is_none() {
            let areas = layout::areas(self.ui.screen, self.ui.focus, self.ui.zoom);
            match areas.at(column, row) {
                Some((pane, _)) => self.focus_clicked(pane),
                None => return Vec::new(),
            }
        }
        // What is typed in the form would be left with its row: the wheel turns by accident.
        if matches!(self.ui.popup, Some(Popup::Inputs(_))) && self.is_typing() {
            return Vec::new();
        }
        self.update(action)
    }

    fn focus_clicked(&mut self, pane: Pane) {
        // The graph and the steps share a place on a small screen: focusing the other would swap what was clicked.
        self.ui.focus = pane;
    }

    fn click(&mut self, column: u16, row: u16) -> Vec<Request> {
        let areas = layout::areas(self.ui.screen, self.ui.focus, self.ui.zoom);
        if areas.footer.contains((column, row).into()) {
            return match panes::footer::action_at(self, column) {
                Some(Action::Detail) if self.ui.popup.is_some() => self.choose(),
                // What was typed is left before the form is.
                Some(Action::Back) if self.is_typing() => self.typed(KeyCode::Esc.into()).unwrap_or_default(),
                Some(action) => self.update(&action),
                None => Vec::new(),
            };
        }
        if self.ui.popup.is_some() {
            return match popups::row_at(self, column, row) {
                popups::Clicked::Outside => self.update(&Action::Back),
                popups::Clicked::Nothing => Vec::new(),
                popups::Clicked::Row(at) => {
                    if let Some(row) = self.popup_row() {
                        *row = at;
                    }
                    self.choose()
                }
            };
        }
        let Some((pane, area)) = areas.at(column, row) else { return Vec::new() };
        self.focus_clicked(pane);
        match pane {
            Pane::Steps => {
                if let Some(row) = panes::steps::row_at(self, area, row) {
                    self.select_row(row);
                }
            }
            Pane::Graph => {
                if let Some(group) = panes::graph::group_at(self, area, column, row) {
                    self.select_group(group);
                }
            }
            Pane::Preview | Pane::Now | Pane::Log => {}
        }
        Vec::new()
    }
}
