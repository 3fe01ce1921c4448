//! Where the events of a run go: into its view, to the display, and into the run's record.

use std::time::Instant;

use rondel_cache::Cache;
use rondel_event::{Event, Level, Outcome, OutputInfo, Report, RunView, StepName, What};

use super::RunOptions;
use crate::plan::Plan;
use crate::record::RunRecord;

/// Numbers events and hands them on.
pub struct Emitter<'a> {
    run: std::sync::Arc<str>,
    began: Instant,
    next_seq: u64,
    view: RunView,
    display: &'a mut dyn FnMut(&Event, &RunView),
    record: RunRecord,
}

impl<'a> Emitter<'a> {
    pub fn new(
        plan: &Plan,
        cache: &Cache,
        options: &RunOptions,
        display: &'a mut dyn FnMut(&Event, &RunView),
    ) -> Emitter<'a> {
        Emitter {
            run: options.id.as_str().into(),
            began: Instant::now(),
            next_seq: 0,
            view: RunView::default(),
            display,
            record: RunRecord::create(cache.v1(), &options.id, plan),
        }
    }

    pub fn emit(&mut self, what: What) {
        let at_ms = (self.began.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        let event = Event { seq: self.next_seq, at_ms, run: self.run.clone(), what };
        self.next_seq += 1;
        self.view.apply(&event);
        self.record.event(&event);
        (self.display)(&event, &self.view);
    }

    pub fn log(&mut self, step: Option<StepName>, level: Level, text: String) {
        self.emit(What::Log { step, level, text });
    }

    pub fn log_error(&mut self, text: &str) {
        self.log(None, Level::Error, text.to_owned());
    }

    /// Ends the stream and leaves the run's record behind.
    pub fn finish(mut self, outcome: Outcome, outputs: Vec<OutputInfo>) -> Report {
        self.emit(What::RunFinished { outcome, outputs });
        let report = Report::of(&self.view);
        self.record.finish(&report);
        report
    }
}
