//! A run that starts nothing for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rondel_engine::Control;
use rondel_event::{How, Outcome, What};

use crate::lab::{Lab, Setup};

const TWO: &str = "nodes: (a: number(value: 1), b: add(a: a)), outputs: (b: b),";

#[test]
fn a_paused_run_starts_nothing_until_it_goes_on() {
    let lab = Lab::new();
    let (setup, control) = (Setup::default(), Control::default());
    let goes_on = Arc::new(AtomicBool::new(false));
    let mut went_on_first = None;
    let ran = lab.run_controlled(&lab.plan(TWO, &setup), &setup, &control, |event| match &event.what {
        What::StepStarted { step, .. } if &**step == "a" => control.pause(true),
        What::StepFinished { step, .. } if &**step == "a" => {
            let (control, goes_on) = (control.clone(), goes_on.clone());
            std::thread::spawn(move || {
                goes_on.store(true, Ordering::Release);
                control.pause(false);
            });
        }
        What::StepStarted { .. } => went_on_first = Some(goes_on.load(Ordering::Acquire)),
        _ => {}
    });
    assert_eq!((went_on_first, ran.report.outcome), (Some(true), Outcome::Done));
}

#[test]
fn a_paused_run_can_be_cancelled() {
    let lab = Lab::new();
    let (setup, control) = (Setup::default(), Control::default());
    let ran = lab.run_controlled(&lab.plan(TWO, &setup), &setup, &control, |event| match &event.what {
        What::StepStarted { .. } => control.pause(true),
        What::StepFinished { .. } => {
            let control = control.clone();
            std::thread::spawn(move || control.cancel());
        }
        _ => {}
    });
    assert_eq!(ran.report.outcome, Outcome::Cancelled);
    assert_eq!(ran.report.steps.iter().map(|step| step.how).collect::<Vec<_>>(), [How::Ran, How::Blocked]);
}
