//! Several runs on one cache: each step is computed by one of them. Some are processes of their own, which are this program again.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rondel_cache::{Claim, Claimed};
use rondel_engine::Control;
use rondel_event::{Event, How, Outcome, Report, What};
use rondel_value::Digest;

use crate::lab::{Lab, Setup, graph_text};

const WAITS: &str = "waits for another run, which is computing the same";

const SLOW: &str = r#"nodes: (
    one: wait(a: 1, ms: 30), two: wait(a: one, ms: 40), five: wait(a: 5, ms: 50),
    picture: paint(value: two), seen: look(image: picture),
    sum: add(a: seen, b: five), work: toil(a: sum, rounds: 2000), last: add(a: work),
), outputs: (last: last, picture: picture),"#;

fn says_that_it_waits(event: &Event) -> bool {
    matches!(&event.what, What::Log { text, .. } if text == WAITS)
}

/// The action key of the step `sum` of a graph that was run.
fn action_of_sum(lab: &Lab) -> Digest {
    let known = lab.run(SUM);
    let action = known.events.iter().find_map(|event| match &event.what {
        What::StepFinished { step, action, .. } if &**step == "sum" => *action,
        _ => None,
    });
    action.expect("it was run")
}

const SUM: &str = "nodes: (sum: add(a: 1, b: 2)), outputs: (sum: sum),";

fn claim(lab: &Lab, action: &Digest) -> Claim {
    match lab.cache().claim(action) {
        Claimed::Mine(claim) => claim,
        Claimed::Theirs => panic!("nobody else is here"),
    }
}

#[test]
fn the_result_of_another_run_is_taken_when_it_is_there() {
    let lab = Lab::new();
    let action = action_of_sum(&lab);
    let record = lab.cache_files("action").remove(0);
    let aside = lab.path("record");
    fs::rename(&record, &aside).unwrap();
    let mut theirs = Some(claim(&lab, &action));
    let (setup, mut n_told) = (Setup::default(), 0);
    let ran = lab.run_controlled(&lab.plan(SUM, &setup), &setup, &Control::default(), |event| {
        if says_that_it_waits(event) {
            n_told += 1;
            fs::rename(&aside, &record).unwrap();
            theirs = None;
        }
    });
    assert_eq!((ran.how("sum"), ran.output("sum").value.clone(), n_told), (How::KnownByRecipe, Some(3.into()), 1));
}

#[test]
fn a_step_that_another_run_gave_up_is_computed() {
    let lab = Lab::new();
    let action = action_of_sum(&lab);
    fs::remove_file(lab.cache_files("action").remove(0)).unwrap();
    let mut theirs = Some(claim(&lab, &action));
    let setup = Setup::default();
    let ran = lab.run_controlled(&lab.plan(SUM, &setup), &setup, &Control::default(), |event| {
        if says_that_it_waits(event) {
            theirs = None;
        }
    });
    assert_eq!(ran.how("sum"), How::Ran);
}

#[test]
fn a_run_that_waits_for_another_can_be_cancelled() {
    let lab = Lab::new();
    let action = action_of_sum(&lab);
    fs::remove_file(lab.cache_files("action").remove(0)).unwrap();
    let _theirs = claim(&lab, &action);
    let (setup, control) = (Setup::default(), Control::default());
    let ran = lab.run_controlled(&lab.plan(SUM, &setup), &setup, &control, |event| {
        if says_that_it_waits(event) {
            control.cancel();
        }
    });
    assert_eq!((ran.report.outcome, ran.how("sum")), (Outcome::Cancelled, How::Blocked));
}

#[test]
fn what_waits_for_another_run_keeps_no_lane_from_the_rest() {
    let lab = Lab::new();
    let action = action_of_sum(&lab);
    fs::remove_file(lab.cache_files("action").remove(0)).unwrap();
    let mut theirs = Some(claim(&lab, &action));
    let setup = Setup { jobs: Some(1), ..Setup::default() };
    let body = "nodes: (sum: add(a: 1, b: 2), other: add(a: 5), end: join(items: [sum, other])), outputs: (end: end),";
    let ran = lab.run_controlled(&lab.plan(body, &setup), &setup, &Control::default(), |event| {
        if matches!(&event.what, What::StepFinished { step, .. } if &**step == "other") {
            theirs = None;
        }
    });
    assert_eq!((ran.report.outcome, ran.output("end").value.clone()), (Outcome::Done, Some(9.into())));
}

/// What the processes of the tests below do; told by a line with the folder and one with a number.
#[test]
#[ignore = "a process that other tests start: cargo test -p rondel-engine --test engine elsewhere"]
fn guest() {
    let mut told = String::new();
    std::io::stdin().read_to_string(&mut told).unwrap();
    let (folder, number) = told.trim().split_once('\n').unwrap();
    let lab = Lab::at(Path::new(folder), number.parse().unwrap());
    let setup = Setup::default();
    let plan = lab.plan_file("graph.ron", &setup).unwrap();
    lab.run_controlled(&plan, &setup, &Control::default(), |event| {
        if let What::StepStarted { step, .. } = &event.what {
            println!("started {step}");
        }
    });
}

/// A process; killed when it is dropped.
struct Guest(Child);

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_guest(lab: &Lab, number: u64) -> Guest {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", "elsewhere::guest", "--ignored", "--nocapture", "--test-threads=1"]);
    let mut guest = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    writeln!(guest.stdin.take().unwrap(), "{}\n{number}", lab.path("").display()).unwrap();
    Guest(guest)
}

fn many_at_once(n_guests: u64) {
    let lab = Lab::new();
    lab.file("graph.ron", &graph_text(SLOW));
    let guests: Vec<Guest> = (1..=n_guests).map(|number| start_guest(&lab, number)).collect();
    for mut guest in guests {
        assert!(guest.0.wait().unwrap().success());
    }
    let report = |number: u64| -> Report {
        let path = lab.path(&format!("cache/v1/runs/run-{:04}/report.json", number * 100 + 1));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let reports: Vec<Report> = (1..=n_guests).map(report).collect();
    assert!(reports.iter().all(|report| report.outcome == Outcome::Done && report.outputs == reports[0].outputs));
    for step in &reports[0].steps {
        let how = |report: &Report| report.steps.iter().find(|other| other.name == step.name).unwrap().how;
        let n_ran = reports.iter().filter(|report| how(report) == How::Ran).count();
        assert_eq!(n_ran, 1, "`{}`", step.name);
    }
    let alone = Lab::new().run(SLOW);
    assert_eq!(alone.report.outputs, reports[0].outputs, "one run alone makes the same");
    assert_eq!(lab.cache_files("action").len(), reports[0].steps.len());
}

#[test]
fn two_processes_compute_each_step_once() {
    many_at_once(2);
}

#[test]
fn eight_processes_compute_each_step_once() {
    many_at_once(8);
}

#[test]
fn when_the_process_that_computes_a_step_is_killed_the_one_that_waits_computes_it() {
    let lab = Lab::new();
    let until = lab.path("until").display().to_string();
    let body = format!("nodes: (slow: deaf(a: 7, until: {until:?})), outputs: (slow: slow),");
    lab.file("graph.ron", &graph_text(&body));
    let mut guest = Some(start_guest(&lab, 1));
    let mut words = BufReader::new(guest.as_mut().unwrap().0.stdout.take().unwrap()).lines();
    assert!(words.any(|line| line.unwrap().ends_with("started slow")), "the guest has the claim");
    let setup = Setup::default();
    let plan = lab.plan_file("graph.ron", &setup).unwrap();
    let ran = lab.run_controlled(&plan, &setup, &Control::default(), |event| {
        if says_that_it_waits(event) {
            guest = None;
            fs::write(&until, b"").unwrap();
        }
    });
    let told = ran.events.iter().filter(|event| says_that_it_waits(event)).count();
    assert_eq!((ran.how("slow"), told), (How::Ran, 1));
}
