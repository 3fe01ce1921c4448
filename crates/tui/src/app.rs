//! What is known of the run, and what is open on the screen.

mod curves;
mod groups;
mod hear;
mod input;
mod popup;
mod standing;
mod typed;
mod update;
mod wish;

use std::collections::{HashMap, VecDeque};

use indexmap::IndexMap;
use ratatui::layout::Rect;
use rondel_event::{Level, RunView, StepName};
use rondel_value::Digest;

use crate::action::{Action, Pane};
use crate::keys::Keys;
use crate::news::{Mistake, Page, Planned, Row};
use crate::picture::Shown;
use crate::theme::Theme;
pub use curves::Curves;
pub use groups::{Group, Picture};
pub use popup::{Form, Popup};
pub use standing::{Standing, Tally, point_name};
pub use typed::Typed;
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
    /// The list that was asked for last.
    pub awaited: Option<Page>,
    /// The run that was chosen last in the list of runs, by its id.
    pub run: Option<String>,
    /// What is to be done as soon as there is a run.
    pub script: Vec<Action>,
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
                awaited: None,
                run: None,
                script: Vec::new(),
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

    /// Whether a run is going on.
    pub fn is_running(&self) -> bool {
        self.view.run.is_some() && self.view.outcome.is_none()
    }

    /// The index of the selected step.
    pub fn selected_index(&self) -> Option<usize> {
        self.view.steps.get_index_of(self.ui.selected.as_ref()?)
    }
}
