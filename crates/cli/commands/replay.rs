//! `rondel replay`: shows a run again, at its own pace or faster.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use rondel_event::RunView;

use super::Exit;
use super::runs::{nothing, recorded};
use crate::args::{Places, ReplayArgs};
use crate::output::lines::{self, Lines};
use crate::{folders, words};

/// Ends like the run did.
pub fn run(places: &Places, args: &ReplayArgs) -> Result<Exit> {
    let (report, events) = match recorded(&folders::cache(places)?, &args.run)? {
        Ok(found) => found,
        Err(reason) => return Ok(nothing(&reason)),
    };
    let mut lines = Lines::new(lines::name_width(report.steps.iter().map(|step| &step.name)), false);
    let (began, mut view) = (Instant::now(), RunView::default());
    for event in &events {
        let due = Duration::from_secs_f64(event.at_ms.max(0.0) / 1000.0 / args.speed);
        thread::sleep(due.saturating_sub(began.elapsed()));
        view.apply(event);
        lines.event(event, &view);
    }
    words::say(lines::summary(&report));
    Ok(Exit::Run(report.exit_code))
}
