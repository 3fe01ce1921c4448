//! Steps that go on where an earlier attempt stopped.

use std::fs;

use expect_test::{Expect, expect};
use rondel_engine::Control;
use rondel_event::{How, Outcome, What};

use crate::lab::{Lab, Ran, Setup};

/// A climb of nine steps; `stop.txt` may stop it.
fn graph(lab: &Lab) -> String {
    let stop = lab.path("stop.txt").display().to_string();
    format!("nodes: (top: climb(steps: 9, stop: {stop:?})), outputs: (top: top),")
}

/// Runs the climb with these words in `stop.txt`, and cancels it when it waits.
fn climb(lab: &Lab, stop: &str) -> Ran {
    climb_with(lab, stop, &Setup::default())
}

fn climb_with(lab: &Lab, stop: &str, setup: &Setup) -> Ran {
    lab.file("stop.txt", stop);
    let control = Control::default();
    let plan = lab.plan(&graph(lab), setup);
    lab.run_controlled(&plan, setup, &control, |event| {
        if matches!(&event.what, What::Log { text, .. } if text == "waiting") {
            control.cancel();
        }
    })
}

/// What the run said, but for places.
fn check_log(ran: &Ran, expected: Expect) {
    let words = ran.events.iter().filter_map(|event| match &event.what {
        What::Log { text, .. } => Some(text.split(": /").next().unwrap_or_default().to_owned()),
        _ => None,
    });
    expected.assert_eq(&words.collect::<Vec<_>>().join("\n"));
}

/// What an attempt without a stop makes.
fn height() -> Option<serde_json::Value> {
    let lab = Lab::new();
    climb(&lab, "").output("top").value.clone()
}

#[test]
fn a_step_that_failed_goes_on_where_it_was_and_ends_the_same() {
    let lab = Lab::new();
    assert_eq!(climb(&lab, "fail 4").how("top"), How::Failed);
    assert_eq!(climb(&lab, "fail 6").how("top"), How::Failed);
    let ran = climb(&lab, "");
    check_log(&ran, expect!["goes on from step 6 of 9"]);
    assert_eq!((ran.how("top"), &ran.output("top").value), (How::Ran, &height()));
    assert!(lab.cache_files("check").is_empty(), "a step that is done has nothing to go on with");
}

#[test]
fn a_step_that_was_cancelled_goes_on_where_it_was() {
    let lab = Lab::new();
    assert_eq!(climb(&lab, "wait 5").report.outcome, Outcome::Cancelled);
    let ran = climb(&lab, "");
    check_log(&ran, expect!["goes on from step 5 of 9"]);
    assert_eq!(ran.output("top").value, height());
}

#[test]
fn a_step_that_runs_by_wish_begins_anew() {
    let lab = Lab::new();
    climb(&lab, "fail 4");
    let ran = climb_with(&lab, "", &Setup { rerun: &["top"], ..Setup::default() });
    check_log(&ran, expect![""]);
    assert_eq!((ran.how("top"), &ran.output("top").value), (How::Ran, &height()));
    assert!(lab.cache_files("check").is_empty());
}

#[test]
fn a_checkpoint_that_its_step_cannot_use_is_dropped() {
    let lab = Lab::new();
    climb(&lab, "fail 4");
    let ran = climb(&lab, "refuse");
    check_log(
        &ran,
        expect![[r#"
        goes on from step 4 of 9
        what it went on from is dropped: its next attempt begins anew"#]],
    );
    assert_eq!(ran.how("top"), How::Failed);
    assert!(lab.cache_files("check").is_empty());
    let ran = climb(&lab, "refuse");
    check_log(&ran, expect![""]);
    assert_eq!(ran.output("top").value, height());
}

#[test]
fn another_step_has_no_part_in_it() {
    let lab = Lab::new();
    climb(&lab, "fail 4");
    lab.file("stop.txt", "");
    let ran = lab.run(&graph(&lab).replace("steps: 9", "steps: 8"));
    check_log(&ran, expect![""]);
    assert_eq!(lab.cache_files("check").len(), 1);
}

#[test]
fn a_damaged_checkpoint_is_left_out_and_said_so() {
    let lab = Lab::new();
    climb(&lab, "fail 4");
    let file = lab.cache_files("check").remove(0);
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let ran = climb(&lab, "");
    check_log(&ran, expect!["begins anew, its checkpoint cannot be used: it is damaged"]);
    assert_eq!(ran.output("top").value, height());
    assert!(lab.cache_files("check").is_empty());
}

#[test]
fn a_step_whose_result_is_not_kept_keeps_no_checkpoint() {
    let lab = Lab::new();
    lab.file("stop.txt", "fail 4");
    lab.run(&graph(&lab).replace("steps: 9", "steps: 9, with: (cache: Never)"));
    assert!(lab.cache_files("check").is_empty());
}

#[test]
fn previews_are_made_when_someone_looks() {
    let previews = |previews| {
        let lab = Lab::new();
        lab.file("stop.txt", "");
        let ran = lab.run_with(&graph(&lab), &Setup { previews, ..Setup::default() });
        ran.events.iter().filter(|event| matches!(event.what, What::StepPreview { .. })).count()
    };
    assert_eq!((previews(false), previews(true)), (0, 9));
}
