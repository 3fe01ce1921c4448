//! Bars on a terminal: a line for each step that is over, a bar for each that runs.

use std::collections::HashMap;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rondel_event::{Event, RunView, StepName, What};

use super::lines;
use crate::words;

/// Draws what runs now below what is over.
pub struct Bars {
    all: MultiProgress,
    running: HashMap<StepName, ProgressBar>,
    width: usize,
}

impl Bars {
    pub fn new(width: usize) -> Bars {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(20));
        Bars { all, running: HashMap::new(), width }
    }

    pub fn event(&mut self, event: &Event, view: &RunView) {
        match &event.what {
            What::StepStarted { step, .. } => {
                let bar = self.all.add(ProgressBar::new(0));
                bar.set_style(style("  {spinner} {prefix}  {elapsed}", self.width));
                bar.set_prefix(step.to_string());
                bar.enable_steady_tick(std::time::Duration::from_millis(100));
                self.running.insert(step.clone(), bar);
            }
            What::StepProgress { step, done, total, note } => {
                if let Some(bar) = self.running.get(step) {
                    bar.set_style(style("  {spinner} {prefix}  {bar:24} {pos}/{len}  {eta} left  {msg}", self.width));
                    bar.set_length(*total);
                    bar.set_position(*done);
                    bar.set_message(words::printable(note).into_owned());
                }
            }
            What::StepFinished { step, .. } | What::StepFailed { step, .. } => {
                if let Some(bar) = self.running.remove(step) {
                    bar.finish_and_clear();
                    self.all.remove(&bar);
                }
            }
            _ => {}
        }
        if let Some(line) = lines::line(event, view, self.width) {
            // A terminal that went away is no reason to stop the run.
            let _ = self.all.println(words::printable(&line));
        }
    }
}

/// A style with names as wide as the longest.
fn style(template: &str, width: usize) -> ProgressStyle {
    let template = template.replace("{prefix}", &format!("{{prefix:{width}}}"));
    ProgressStyle::with_template(&template).expect("a template of this file").progress_chars("█░░")
}
