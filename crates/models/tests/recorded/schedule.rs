//! Noise levels and the size of the shift.

use rondel_models::flux2::{Schedule, ScheduleError, empirical_mu};
use serde::Deserialize;

use crate::fixture::golden;

#[derive(Deserialize)]
struct Case {
    steps: usize,
    image_seq_len: usize,
    mu: f64,
    sigmas: Vec<f32>,
    key: String,
}

fn cases() -> Vec<Case> {
    let path = golden("stages/scheduler.json");
    let text = std::fs::read(path).expect("a recording");
    serde_json::from_slice(&text).expect("cases")
}

#[test]
fn the_shift_is_the_recorded_one() {
    for case in cases() {
        let mu = empirical_mu(case.image_seq_len, case.steps);
        assert!((mu - case.mu).abs() < 1e-12, "{}: {mu}", case.key);
    }
}

#[test]
fn the_levels_are_the_recorded_ones() {
    for case in cases() {
        let sigmas = Schedule::Auto.sigmas(case.steps, case.image_seq_len);
        assert_eq!(sigmas.expect("levels"), case.sigmas, "{}", case.key);
    }
}

#[test]
fn the_shift_jumps_after_4300_tokens() {
    assert!((empirical_mu(4300, 4) - 2.309).abs() < 1e-3);
    assert!((empirical_mu(4301, 4) - 1.185).abs() < 1e-3);
}

#[test]
fn no_shift_leaves_the_levels_evenly_spaced() {
    for schedule in [Schedule::Linear, Schedule::Shifted { mu: 0.0 }] {
        assert_eq!(schedule.sigmas(4, 1), Ok(vec![1.0, 0.75, 0.5, 0.25, 0.0]));
    }
}

#[test]
fn one_step_goes_from_noise_to_picture() {
    assert_eq!(Schedule::Auto.sigmas(1, 4096), Ok(vec![1.0, 0.0]));
}

#[test]
fn given_levels_must_fall_from_one_to_above_zero_and_be_one_for_each_step() {
    let refused = |levels: &[f64]| Schedule::Custom(levels.to_vec()).sigmas(2, 1);
    assert_eq!(refused(&[1.0]), Err(ScheduleError::Count { found: 1, steps: 2 }));
    assert_eq!(refused(&[1.0, 0.0]), Err(ScheduleError::OutOfRange { level: 0.0 }));
    assert_eq!(refused(&[1.5, 0.5]), Err(ScheduleError::OutOfRange { level: 1.5 }));
    assert!(matches!(refused(&[1.0, f64::NAN]), Err(ScheduleError::OutOfRange { .. })));
    assert_eq!(refused(&[0.5, 0.5]), Err(ScheduleError::NotFalling { before: 0.5, level: 0.5 }));
    assert_eq!(Schedule::Auto.sigmas(0, 1), Err(ScheduleError::NoSteps));
}

#[test]
fn given_levels_that_are_evenly_spaced_are_those_of_the_model() {
    let given = Schedule::Custom(vec![1.0, 0.75, 0.5, 0.25]).sigmas(4, 4096);
    assert_eq!(given, Schedule::Auto.sigmas(4, 4096));
}
