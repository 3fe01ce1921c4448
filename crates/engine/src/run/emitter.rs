//! Where the events of a run go: into its view, to the display, and into the run's record.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use rondel_cache::Cache;
use rondel_event::{Event, Level, Outcome, OutputInfo, Report, RunView, StepName, What};

use super::{RunOptions, step};
use crate::plan::Plan;
use crate::record::RunRecord;

/// Shows a run: called with each event and what the run looks like after it.
pub type Display<'a> = dyn FnMut(&Event, &RunView) + 'a;

/// Numbers events and hands them on.
pub struct Emitter<'a> {
    cache: Arc<Cache>,
    run: Arc<str>,
    began: Instant,
    next_seq: u64,
    view: RunView,
    /// None once it has panicked.
    display: Option<&'a mut Display<'a>>,
    record: RunRecord,
}

impl<'a> Emitter<'a> {
    pub fn new(plan: &Plan, cache: &Arc<Cache>, options: &RunOptions, display: &'a mut Display<'a>) -> Emitter<'a> {
        Emitter {
            cache: cache.clone(),
            run: options.id.as_str().into(),
            began: Instant::now(),
            next_seq: 0,
            view: RunView::default(),
            display: Some(display),
            record: RunRecord::create(cache.v1(), &options.id, plan),
        }
    }

    pub fn emit(&mut self, what: What) {
        let at_ms = (self.began.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        let event = Event { seq: self.next_seq, at_ms, run: self.run.clone(), what };
        self.next_seq += 1;
        self.view.apply(&event);
        self.record.event(&event);
        // Taken out for the call: a display that has panicked is not called again.
        let Some(display) = self.display.take() else { return };
        match catch_unwind(AssertUnwindSafe(|| display(&event, &self.view))) {
            Ok(()) => self.display = Some(display),
            Err(panic) => {
                let message = step::panic_message(&*panic);
                self.log_error(&format!("the display panicked, which is a bug: {message}"));
            }
        }
    }

    /// Whether nobody is shown the run any more.
    pub fn has_lost_display(&self) -> bool {
        self.display.is_none()
    }

    pub fn log(&mut self, step: Option<StepName>, level: Level, text: String) {
        self.emit(What::Log { step, level, text });
    }

    pub fn log_error(&mut self, text: &str) {
        self.log(None, Level::Error, text.to_owned());
    }

    /// Ends the stream and leaves the run's record behind. A run whose display panicked is a failed one.
    pub fn finish(mut self, outcome: Outcome, outputs: Vec<OutputInfo>) -> Report {
        for notice in self.cache.take_notices() {
            self.log(None, Level::Warn, notice.to_string());
        }
        let outcome = if self.has_lost_display() { Outcome::Failed } else { outcome };
        self.emit(What::RunFinished { outcome, outputs: outputs.clone() });
        if self.has_lost_display() && outcome != Outcome::Failed {
            // It panicked at the very last event; the later word holds.
            self.emit(What::RunFinished { outcome: Outcome::Failed, outputs });
        }
        let report = Report::of(&self.view);
        self.record.finish(&report);
        report
    }
}
