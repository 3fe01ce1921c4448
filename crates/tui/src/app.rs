//! What is known of the run, and what is open on the screen.

mod groups;
mod input;
mod popup;
mod standing;
mod update;
mod wish;

use std::collections::{HashMap, VecDeque};

use indexmap::IndexMap;
use ratatui::layout::Rect;
use rondel_event::{Event, How, Level, Outcome, RunView, State, StepName, What};
use rondel_value::Digest;

use crate::action::Pane;
use crate::keys::Keys;
use crate::news::{Mistake, News, Page, Planned, Row};
use crate::picture::Shown;
use crate::theme::Theme;
use crate::words;
pub use groups::{Group, Picture};
pub use popup::{Form, Popup};
pub use standing::{Standing, Tally, point_name};
pub use wish::N_ON_A_SHEET;

/// The state of the screen.
pub struct App {
    pub view: RunView,
    pub ui: UiState,
}

/// What the events do not tell: what a person has opened, chosen and been told.
pub struct UiState {
    pub theme: Theme,
    pub keys: Keys,
    pub screen: Rect,
    pub focus: Pane,
    pub zoom: Option<Pane>,
    pub selected: Option<StepName>,
    /// The selection goes with what runs, until somebody moves it.
    pub is_following: bool,
    pub popup: Option<Popup>,
    /// How many columns of it are to the left of what is seen.
    pub popup_left: usize,
    pub picture_mode: PictureMode,
    /// Whether imported graphs and sweeps are one box each; none for as the size of the graph asks.
    pub folds: Option<bool>,
    pub graph: Picture,
    pub standing: Standing,
    pub needle: String,
    pub planned: Planned,
    /// Inputs that were changed here and are not in the file.
    pub changed: IndexMap<String, String>,
    pub mistakes: Vec<Mistake>,
    /// There is a run that can be told something.
    pub is_commanding: bool,
    pub is_paused: bool,
    /// The newest words, in the place of the keys.
    pub hint: Option<String>,
    /// The newest last, over all runs.
    pub log: VecDeque<LogLine>,
    /// How many lines the log is scrolled up.
    pub log_up: usize,
    pub details: Option<(StepName, Vec<Row>)>,
    pub page: Option<(Page, Vec<Row>)>,
    /// Of each step, what its notes have told, in order.
    pub curves: HashMap<StepName, Curves>,
    /// The step whose note came last.
    pub told_last: Option<StepName>,
    /// Of each step the result before the newest, and the newest.
    pub history: HashMap<StepName, (Option<Digest>, Digest)>,
    pub shown: Shown,
    /// Somebody sees pictures of what is not done.
    pub is_looking: bool,
    /// The time of the run as a clock on the wall has it: events are no clock.
    pub now_ms: f64,
    pub n_runs: usize,
}

/// What the preview shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureMode {
    Newest,
    Before,
    Sheet,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    pub at_ms: f64,
    pub step: Option<StepName>,
    pub level: Level,
    pub text: String,
}

/// What a step told while it ran.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    /// Values by name, as in `sigma 0.41, update 0.02`.
    pub values: IndexMap<String, Vec<f64>>,
    /// When the first and the newest piece of progress came, and how much was done then.
    pub done: Vec<(f64, u64)>,
}

impl Curves {
    /// The most values of a curve: more than any terminal has columns.
    const VALUES: usize = 1024;

    /// Takes in a piece of progress; says whether its note told a number.
    fn tell(&mut self, at_ms: f64, done: u64, note: &str) -> bool {
        let mut has_told = false;
        self.done.truncate(1);
        self.done.push((at_ms, done));
        for (name, value) in named_values(note) {
            let values = self.values.entry(name.to_owned()).or_default();
            if values.len() == Curves::VALUES {
                // It keeps its form with every other one.
                let mut at = 0;
                values.retain(|_| {
                    at += 1;
                    at % 2 == 1
                });
            }
            values.push(value);
            has_told = true;
        }
        has_told
    }
}

/// The most lines that the log keeps.
const LOG_LINES: usize = 1000;

impl App {
    pub fn new(theme: Theme, keys: Keys) -> App {
        App {
            view: RunView::default(),
            ui: UiState {
                theme,
                keys,
                screen: Rect::new(0, 0, 80, 24),
                focus: Pane::Steps,
                zoom: None,
                selected: None,
                is_following: true,
                popup: None,
                popup_left: 0,
                picture_mode: PictureMode::Newest,
                folds: None,
                graph: Picture::default(),
                standing: Standing::default(),
                needle: String::new(),
                planned: Planned::default(),
                changed: IndexMap::new(),
                mistakes: Vec::new(),
                is_commanding: true,
                is_paused: false,
                hint: None,
                log: VecDeque::new(),
                log_up: 0,
                details: None,
                page: None,
                curves: HashMap::new(),
                told_last: None,
                history: HashMap::new(),
                shown: Shown::default(),
                is_looking: false,
                now_ms: 0.0,
                n_runs: 0,
            },
        }
    }

    /// Takes in news.
    pub fn hear(&mut self, news: News) {
        match news {
            News::Event(event) => self.apply(&event),
            News::Planned(planned) => {
                if !self.ui.mistakes.is_empty() {
                    self.ui.mistakes.clear();
                    if matches!(self.ui.popup, Some(Popup::Mistakes { .. })) {
                        self.ui.popup = None;
                    }
                }
                let names =
                    |planned: &Planned| planned.fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
                if let Some(Popup::Inputs(form)) = &mut self.ui.popup
                    && names(&self.ui.planned) != names(&planned)
                {
                    // Another input may be in the row by now.
                    form.text = None;
                }
                self.ui.planned = *planned;
            }
            News::Mistakes(mistakes) => {
                self.log(None, Level::Error, words::count(mistakes.len(), "mistake"));
                self.ui.mistakes = mistakes;
                // Whoever types goes on typing; the header says that there are mistakes.
                if self.ui.popup.is_none() && !self.ui.mistakes.is_empty() {
                    self.ui.popup = Some(Popup::Mistakes { up: 0 });
                }
            }
            News::Said(text) => {
                let level = if text.starts_with("error") { Level::Error } else { Level::Info };
                for line in text.lines().filter(|line| !line.trim().is_empty()) {
                    self.log(None, level, line.trim_end().to_owned());
                }
            }
            News::Resources { memory, cache } => (self.view.memory, self.view.cache) = (memory, cache),
            News::Page(page, rows) => self.ui.page = Some((page, rows)),
            News::Detail(step, rows) => self.ui.details = Some((step, rows)),
            News::Changed(changed) => self.ui.changed = changed.into_iter().collect(),
            News::Refused(why) => self.ui.hint = Some(why),
            News::Ended => {}
        }
    }

    /// Takes in one event of a run.
    pub fn apply(&mut self, event: &Event) {
        self.count(&event.what, |view| view.apply(event));
        self.ui.now_ms = event.at_ms;
        match &event.what {
            What::RunStarted { steps, .. } => {
                self.ui.n_runs += 1;
                self.ui.curves.clear();
                self.ui.told_last = None;
                // Steps of graphs of long ago are not met again.
                self.ui.history.retain(|step, _| self.view.steps.contains_key(step));
                // Why something was refused stays until somebody did something else.
                self.ui.hint.take_if(|hint| hint == words::CANCELLING);
                self.ui.standing = Standing::of(&self.view);
                // What a person chose stays chosen from run to run, as long as it is there.
                let is_there = |step: &StepName| self.view.steps.contains_key(step);
                if !self.ui.selected.as_ref().is_some_and(is_there) {
                    self.ui.selected = self.view.steps.keys().next().cloned();
                    self.ui.is_following = true;
                }
                self.arrange();
                self.log(None, Level::Info, format!("a run of {}", words::count(steps.len(), "step")));
            }
            What::StepStarted { step, why, .. } => {
                if self.ui.is_following {
                    self.ui.selected = Some(step.clone());
                }
                self.log(Some(step), Level::Info, format!("runs: {why}"));
            }
            What::StepProgress { step, done, note, .. } => {
                let curves = self.ui.curves.entry(step.clone()).or_default();
                if curves.tell(event.at_ms, *done, note) {
                    self.ui.told_last = Some(step.clone());
                }
            }
            What::StepFinished { step, how, outputs, .. } => {
                if *how == How::KnownByContent {
                    self.log(Some(step), Level::Info, "same content, kept".to_owned());
                }
                if let Some(newest) = outputs.first() {
                    let was = self.ui.history.get(step).copied();
                    match was {
                        Some((_, same)) if same == *newest => {}
                        _ => {
                            self.ui.history.insert(step.clone(), (was.map(|(_, old)| old), *newest));
                        }
                    }
                }
            }
            What::StepFailed { step, problem, .. } if problem.kind != "cancelled" => {
                self.log(Some(step), Level::Error, problem.message.clone());
            }
            What::Log { step, level, text } if *level > Level::Debug => {
                self.log(step.as_ref(), *level, text.clone());
            }
            What::RunFinished { outcome, .. } => {
                let level = if *outcome == Outcome::Done { Level::Info } else { Level::Warn };
                self.log(None, level, format!("{} in {}", words::outcome(Some(*outcome)), words::span(event.at_ms)));
                if self.ui.is_following {
                    self.show_what_came_of_it();
                }
            }
            _ => {}
        }
    }

    /// Moves the selection to what a person wants to see when a run is over: what failed, else the last that was made, else the
    /// last that was known.
    fn show_what_came_of_it(&mut self) {
        let failed = self.view.steps.values().find(|step| step.state == State::Over(How::Failed));
        let last = self.view.steps.values().rev().find(|step| step.state == State::Over(How::Ran));
        let known = self.view.steps.values().rev().find(|step| matches!(step.state, State::Over(how) if how.is_done()));
        if let Some(step) = failed.or(last).or(known) {
            self.ui.selected = Some(step.info.name.clone());
        }
    }

    fn log(&mut self, step: Option<&StepName>, level: Level, text: String) {
        if self.ui.log.len() == LOG_LINES {
            self.ui.log.pop_front();
        }
        self.ui.log.push_back(LogLine { at_ms: self.view.at_ms, step: step.cloned(), level, text });
    }

    /// Whether a run is going on.
    pub fn is_running(&self) -> bool {
        self.view.run.is_some() && self.view.outcome.is_none()
    }

    /// The index of the selected step.
    pub fn selected_index(&self) -> Option<usize> {
        self.view.steps.get_index_of(self.ui.selected.as_ref()?)
    }
}

/// The numbers of a note, by the words before them: `sigma 0.41, update 0.02`.
fn named_values(note: &str) -> impl Iterator<Item = (&str, f64)> {
    let pairs = note.split(',').filter_map(|part| part.trim().rsplit_once(' '));
    pairs.filter_map(|(name, value)| Some((name, value.parse().ok().filter(|value: &f64| value.is_finite())?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_of_any_length_keeps_its_ends() {
        let mut curves = Curves::default();
        for done in 0..10_000_u64 {
            curves.tell(done as f64, done, &format!("sigma {done}"));
        }
        let values = &curves.values["sigma"];
        assert!((Curves::VALUES / 2..=Curves::VALUES).contains(&values.len()));
        assert_eq!((values[0], *values.last().unwrap()), (0.0, 9_999.0));
        assert_eq!(curves.done, [(0.0, 0), (9_999.0, 9_999)]);
    }

    #[test]
    fn notes_tell_numbers_by_name() {
        let told: Vec<_> = named_values("sigma 0.41, update norm 0.02, loading, tile 3/4").collect();
        assert_eq!(told, [("sigma", 0.41), ("update norm", 0.02)]);
    }
}
