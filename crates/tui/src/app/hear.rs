//! What news and events change.

use rondel_event::{Event, How, Level, Outcome, State, StepName, What};

use super::{App, LogLine, Popup, Standing};
use crate::news::{News, Planned};
use crate::words;

/// The most lines that the log keeps.
const LOG_LINES: usize = 1000;

impl App {
    /// Takes in news.
    pub fn hear(&mut self, news: News) {
        match news {
            News::Event(event) => self.apply(&event),
            News::Planned(planned) => {
                self.mend();
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
            News::Mistakes(mistakes) if mistakes.is_empty() => self.mend(),
            News::Mistakes(mistakes) => {
                self.log(None, Level::Error, words::count(mistakes.len(), "mistake"));
                self.ui.mistakes = mistakes;
                // Whoever types goes on typing; the header says that there are mistakes.
                if self.ui.popup.is_none() {
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
            // One that was asked for before another, and comes after it, is not wanted any more.
            News::Page(page, rows) if self.ui.awaited == Some(page) => self.ui.page = Some((page, rows)),
            News::Page(..) => {}
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
                self.ui.hint.take_if(|hint| [words::CANCELLING, words::TIDYING].contains(&hint.as_str()));
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

    /// There are no mistakes, or no longer.
    fn mend(&mut self) {
        if self.ui.mistakes.is_empty() {
            return;
        }
        self.ui.mistakes.clear();
        self.log(None, Level::Info, words::MENDED.to_owned());
        if matches!(self.ui.popup, Some(Popup::Mistakes { .. })) {
            self.ui.popup = None;
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
}
