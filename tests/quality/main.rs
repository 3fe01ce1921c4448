//! Does the model in the box draw what it is told?
//!
//!     cargo test --test quality -- --ignored --nocapture
//!
//! A fixed list of prompts and edits, in combinations that training held back, is drawn by the program with the graphs of the
//! source tree. What is on each picture is measured, and the shares of what was right are held against the thresholds in the
//! model's card. The same with captions in the wrong order must fail: then the check checks.
//!
//! - [`world`]: the scenes that the model knows, and how they are drawn
//! - [`judge`]: what is on a picture
//! - [`card`]: what the model's card promises
//! - [`gallery`]: pictures of cases, drawn by the program
//!
//! `cases.json`, `objects.png` and `pipeline/` come from the stage `gate` of `crates/models/training`.

mod card;
mod gallery;
mod judge;
mod world;

use std::collections::BTreeMap;

use image::RgbImage;

use self::card::Card;
use self::gallery::Gallery;
use self::judge::{Judge, Verdict, kept_decibels};
use self::world::{Case, World, here};

/// Shares of what was right, and decibels, under the names that the card uses.
type Measures = BTreeMap<String, f64>;

#[test]
#[ignore = "draws 348 pictures, which takes minutes: cargo test --test quality -- --ignored"]
fn the_model_keeps_what_its_card_promises() {
    let world = World::read();
    let measures = measure(&world, &world.cases.iter().map(|case| (case, &*case.prompt)).collect::<Vec<_>>());
    let missed = Card::read().missed(&measures);
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
#[ignore = "draws 117 pictures, which takes a minute: cargo test --test quality -- --ignored"]
fn captions_in_the_wrong_order_keep_none_of_it() {
    let world = World::read();
    let mut shuffled = Vec::new();
    for n_references in 0..=2 {
        let alike: Vec<&Case> = world.cases.iter().filter(|case| case.references.len() == n_references).collect();
        // Far enough that an edit gets the words of another kind of edit.
        let others = alike.iter().cycle().skip(alike.len() / 2);
        shuffled.extend(alike.iter().zip(others).map(|(case, other)| (*case, &*other.prompt)).step_by(3));
    }
    let measures = measure(&world, &shuffled);
    let card = Card::read();
    let missed = card.missed(&measures);
    for share in ["one object: all", "two objects: all", "own words: all", "edits: all"] {
        assert!(missed.iter().any(|line| line.starts_with(share)), "shuffled captions pass `{share}`");
    }
    let chance = measures.iter().filter(|(name, _)| ["one object: all", "several objects: all"].contains(&&***name));
    chance.for_each(|(name, share)| assert!(*share <= card.shuffled(), "{name} is right by chance: {share:.3}"));
}

#[test]
fn the_judge_accepts_a_drawing_and_no_other() {
    let world = World::read();
    let judge = Judge::new(&world);
    for (case, other) in world.cases.iter().zip(&world.cases[1..]).step_by(40) {
        let drawn = world.draw(&case.wanted);
        assert!(judge.verdict(&drawn, &case.wanted).all(), "{}: {:?}", case.prompt, case.wanted);
        if case.wanted != other.wanted {
            assert!(!judge.verdict(&drawn, &other.wanted).all(), "{}: {:?}", case.prompt, other.wanted);
        }
    }
}

#[test]
fn the_pipeline_of_diffusers_draws_the_same_pictures() {
    let world = World::read();
    let gallery = Gallery::new();
    let mut n_references = Vec::new();
    for case in &world.cases {
        let Ok(theirs) = image::open(here().join(format!("pipeline/{}.png", case.seed))) else { continue };
        let names = (1..=case.references.len()).map(|number| format!("pipeline/{}.reference{number}.png", case.seed));
        let references: Vec<RgbImage> =
            names.map(|name| image::open(here().join(name)).expect("a reference").into_rgb8()).collect();
        let ours = gallery.draw(&case.prompt, case.seed, &references);
        let far = ours.iter().zip(theirs.into_rgb8().iter()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(far <= Some(1), "{}: up to {far:?} of 255 apart", case.prompt);
        n_references.push(references.len());
    }
    assert!([0, 1, 2].iter().all(|n| n_references.contains(n)), "{n_references:?}");
}

/// Draws cases with words that are theirs or not, and says how much of each kind is right.
fn measure(world: &World, cases: &[(&Case, &str)]) -> Measures {
    let (judge, gallery) = (Judge::new(world), Gallery::new());
    let mut seen: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (case, prompt) in cases {
        let references: Vec<RgbImage> = case.references.iter().map(|scene| world.draw(scene)).collect();
        let picture = gallery.draw(prompt, case.seed, &references);
        let verdict = judge.verdict(&picture, &case.wanted);
        let mut note = |name: &str, value: f64| seen.entry(name.to_owned()).or_default().push(value);
        let share = |is_right: bool| f64::from(u8::from(is_right));
        match &*case.group {
            "single" => {
                let Verdict { object, position, background } = verdict;
                note("one object: object", share(object));
                note("one object: position", share(position));
                note("one object: background", share(background));
                note("one object: all", share(verdict.all()));
            }
            "several" => {
                note("several objects: all", share(verdict.all()));
                if case.wanted.items.len() == 2 {
                    note("two objects: all", share(verdict.all()));
                }
            }
            "own words" => note("own words: all", share(verdict.all())),
            edit => {
                note("edits: all", share(verdict.all()));
                note(&format!("edits, {edit}"), share(verdict.all()));
                if let Some(decibels) = kept_decibels(&picture, &references[0], &world.draw(&case.wanted)) {
                    note("edits: kept, dB", decibels);
                }
            }
        }
    }
    let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    for (name, values) in &seen {
        println!("{name:<26} {:>7.3}  of {}", mean(values), values.len());
    }
    seen.iter().map(|(name, values)| (name.clone(), mean(values))).collect()
}
