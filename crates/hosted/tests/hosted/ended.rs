//! A process ends once it has its pictures and before a cache has them: the next one takes them and pays nobody.

use std::fs;
use std::path::PathBuf;

use rondel_hosted::Micros;
use rondel_plugin::{PaintOrder, Painter};
use rondel_value::{HostedRequest, Route};

use crate::lab::{Lab, Run, model, noise, request, seed};

/// A request whose pictures come along with the answer, if the provider can do so.
fn inline(provider: &str) -> HostedRequest {
    let response_format = Some("b64_json".to_owned());
    HostedRequest { model: model(provider), seed: seed(provider), response_format, ..request(provider, "a boat") }
}

/// The lines of the one file of the ledger.
fn ledger_file(lab: &Lab) -> PathBuf {
    let files = fs::read_dir(lab.ledger_folder()).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|it| it == "jsonl")).unwrap()
}

/// Takes lines away that a process which ended earlier would not have written.
fn without_the_last(lab: &Lab, n: usize) {
    let text = fs::read_to_string(ledger_file(lab)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    fs::write(ledger_file(lab), lines[..lines.len() - n].join("\n") + "\n").unwrap();
}

fn n_kept(lab: &Lab) -> usize {
    fs::read_dir(lab.ledger_folder().join("kept")).map_or(0, Iterator::count)
}

#[test]
fn its_pictures_are_taken_by_the_next_one() {
    for provider in ["fal", "replicate", "lumenfall", "openai", "bfl", "together"] {
        let mut lab = Lab::allowing();
        lab.ends_early = true;
        let first = lab.outcome(&inline(provider), &[]);
        assert_eq!(first, format!("512×512 of {provider} [1]"));
        // Also where they lay is gone by now.
        lab.servers.fail("picture 404");
        lab.ends_early = false;
        let run = Run::default();
        let painted = lab.ask(&run, &inline(provider), &[]).unwrap();
        assert_eq!((painted.pictures.len(), lab.n_submits()), (1, 1), "{provider}");
        assert!(run.said().contains("Info: takes the pictures of call"), "{}", run.said());
        // Who asks again after that wants others.
        lab.servers.recover();
        assert_eq!((n_kept(&lab), lab.outcome(&inline(provider), &[])), (0, first), "{provider}");
    }
}

#[test]
fn it_may_end_before_any_line_of_what_came_along() {
    // Without what it cost; without where the pictures are.
    for n_lines in [1, 2] {
        for provider in ["lumenfall", "openai", "together"] {
            let mut lab = Lab::allowing();
            lab.ends_early = true;
            assert_eq!(lab.outcome(&inline(provider), &[]), format!("512×512 of {provider} [1]"));
            without_the_last(&lab, n_lines);
            assert_eq!(lab.outcome(&inline(provider), &[]), format!("512×512 of {provider} [0]"), "{n_lines}");
            assert!(lab.hosted().ledger().all().unwrap()[0].settled.is_some());
        }
    }
}

#[test]
fn it_may_end_while_references_go_up_and_nothing_was_asked_for() {
    let reference = noise();
    // The reservation alone; and with the line before the request.
    for (n_lines, expected) in [(1, "512×512 of fal [1]"), (2, "it may have been billed ($")] {
        let lab = Lab::allowing();
        let ask = || lab.outcome(&request("fal", "a boat"), std::slice::from_ref(&reference));
        assert_eq!(ask(), "512×512 of fal [1]");
        let text = fs::read_to_string(ledger_file(&lab)).unwrap();
        let lines: Vec<&str> = text.lines().take(n_lines).collect();
        fs::write(ledger_file(&lab), lines.join("\n") + "\n").unwrap();
        let again = ask();
        assert!(again.contains(expected), "{n_lines}: {again}");
        let first = &lab.hosted().ledger().all().unwrap()[0];
        assert_eq!(first.counted() == Some(Micros(0)), n_lines == 1, "{first:?}");
    }
}

#[test]
fn what_came_along_and_is_not_kept_any_more_is_asked_for_anew() {
    let mut lab = Lab::allowing();
    lab.ends_early = true;
    lab.outcome(&inline("openai"), &[]);
    without_the_last(&lab, 1);
    fs::remove_dir_all(lab.ledger_folder().join("kept")).unwrap();
    assert_eq!(lab.outcome(&inline("openai"), &[]), "512×512 of openai [1]");
}

#[test]
fn each_of_several_calls_is_taken() {
    let mut lab = Lab::new();
    lab.ends_early = true;
    let six = HostedRequest { n: 6, ..request("fal", "a boat") };
    assert!(lab.outcome(&six, &[]).ends_with("[2]"));
    let run = Run::default();
    let painted = lab.ask(&run, &six, &[]).unwrap();
    assert_eq!((painted.pictures.len(), painted.details.cost_micros, lab.n_submits()), (6, Some(72_000), 2));
}

#[test]
fn whoever_names_another_provider_does_not_get_them() {
    let mut lab = Lab::new();
    lab.ends_early = true;
    lab.of("fal", "a boat");
    assert_eq!(lab.of("replicate", "a boat"), "512×512 of replicate [1]");
    let anybody = HostedRequest { route: Route::Cheapest, ..request("", "a boat") };
    assert!(lab.outcome(&anybody, &[]).ends_with("[0]"));
}

#[test]
fn two_steps_of_one_run_that_ask_for_the_same_get_one_each() {
    let lab = Lab::new();
    let (hosted, run, asked) = (lab.hosted(), Run::default(), request("fal", "a boat"));
    for step in ["first", "second"] {
        hosted.paint(&PaintOrder { run: "run", step, request: &asked, references: &[] }, &run).unwrap();
    }
    assert_eq!(lab.n_submits(), 2);
    // One that is tried again after it failed on its own has them already.
    hosted.paint(&PaintOrder { run: "run", step: "first", request: &asked, references: &[] }, &run).unwrap();
    assert_eq!(lab.n_submits(), 2);
    // Another run of the same process asks for something else: what this one could not use stays.
    hosted.step_is_through("a later run", "first");
    assert_eq!(n_kept(&lab), 2);
    for step in ["first", "second"] {
        hosted.step_is_through("run", step);
    }
    assert_eq!(n_kept(&lab), 0);
}
