//! Five hundred saves while a sampler runs, some of them broken: nothing that was done is done again, every picture is that of its
//! file, and what stands at the end is what a fresh run makes.
//!
//! ```sh
//! cargo test --test e2e five_hundred -- --ignored --nocapture
//! ```
//!
//! The next save comes at a point of the run that is drawn at random: as it begins, as a step begins or ends, at a step of the
//! sampler, at its end. So it needs no clock, and meets all of a run.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use rondel_event::{How, Outcome, What};
use rondel_value::Digest;

use crate::fixture::Project;
use crate::soak::{Draws, models, save};
use crate::watch::Watch;

const N_EDITS: u64 = 500;

/// The graph of an edit. Seeds come back, so that some pictures are known; most are drawn, and most of those give way.
struct Edit {
    serial: u64,
    color: u8,
    seed: u64,
}

impl Edit {
    fn text(&self) -> String {
        let Edit { serial, color, seed } = self;
        format!(
            "Graph(
                format: 1,
                imports: (paint: Graph(\"text_to_image.ron\")),
                inputs: (serial: Int(default: {serial}), seed: Seed(default: {seed})),
                nodes: (
                    square: solid(size: (16, 16), color: \"#{color:02x}0000\"),
                    drawn: paint(prompt: \"a car on a green background\", seed: seed),
                    saved: save(image: square, path: \"square.png\", if_exists: Replace),
                ),
                outputs: (drawn: drawn, saved: saved),
            )"
        )
    }

    /// The same with a mistake: a kind that is none, or a file that ends too early, as if it was read while it is written.
    fn broken(&self, draws: &mut Draws) -> String {
        let text = self.text();
        match draws.below(2) {
            0 => text.replace("solid", "solit"),
            _ => text[..text.len() / 2].to_owned(),
        }
    }
}

/// What was seen of all runs.
#[derive(Default)]
struct Seen {
    /// The keys of steps that ran to their end.
    ran: HashSet<Digest>,
    /// What the steps of the newest run came to.
    results: HashMap<String, Vec<Digest>>,
    n_cancelled: usize,
    n_done: usize,
}

impl Seen {
    /// Follows the runs to the one of this edit, and on until `n_more` more events of it came, or its end.
    fn follow(&mut self, watch: &mut Watch, project: &Project, edit: &Edit, n_more: u64) {
        let (mut is_it, mut n_seen) = (false, 0);
        watch.until(|what| {
            match what {
                What::RunStarted { inputs, .. } => {
                    is_it = inputs["serial"] == edit.serial;
                    self.results.clear();
                }
                What::StepFinished { step, how, action, outputs, .. } => {
                    // A file that was replaced since is written again.
                    if let (How::Ran, Some(key), true) = (how, action, &**step != "saved") {
                        assert!(self.ran.insert(*key), "edit {}: `{step}` was done before", edit.serial);
                    }
                    self.results.insert(step.to_string(), outputs.clone());
                }
                What::RunFinished { outcome: Outcome::Cancelled, .. } => self.n_cancelled += 1,
                What::RunFinished { outcome, .. } => {
                    assert_eq!(*outcome, Outcome::Done, "edit {}", edit.serial);
                    self.n_done += 1;
                    if is_it {
                        n_seen = n_more;
                        let picture = image::open(project.path("out/square.png")).expect("a picture").to_rgb8();
                        assert_eq!(picture.get_pixel(8, 8).0, [edit.color, 0, 0], "edit {}", edit.serial);
                    }
                }
                _ => {}
            }
            n_seen += u64::from(is_it);
            n_seen > n_more
        });
    }
}

#[test]
#[ignore = "long: cargo test --test e2e five_hundred -- --ignored --nocapture"]
fn five_hundred_edits_while_a_sampler_runs_lose_nothing() {
    let seed = RandomState::new().hash_one(0);
    println!("seed {seed}");
    let mut draws = Draws(seed);
    let project = Project::with(&["text_to_image.ron"]);
    project.write("models.ron", &models());
    let mut edit = Edit { serial: 0, color: 0, seed: 0 };
    project.write("graph.ron", &edit.text());
    let mut watch = Watch::start(&project, "graph.ron", &[]);
    let mut seen = Seen::default();
    seen.follow(&mut watch, &project, &edit, 0);

    let mut n_broken = 0;
    for serial in 1..=N_EDITS {
        edit.serial = serial;
        match draws.below(3) {
            0 => edit.color = draws.below(256) as u8,
            _ => edit.seed = draws.below(400),
        }
        if draws.below(5) == 0 {
            n_broken += 1;
            save(&project, &edit.broken(&mut draws), draws.below(2) == 0);
            watch.until_it_says("waiting for the mistakes to be mended");
        }
        save(&project, &edit.text(), draws.below(2) == 0);
        let n_more = if serial == N_EDITS { u64::MAX - 1 } else { draws.below(24) };
        seen.follow(&mut watch, &project, &edit, n_more);
    }
    let Seen { ran, results, n_cancelled, n_done } = seen;
    println!("{N_EDITS} edits, {n_broken} broken: {n_done} runs done, {n_cancelled} gave way, {} steps ran", ran.len());
    assert_eq!(watch.end(), Some(130));

    let fresh = Project::with(&["text_to_image.ron"]);
    fresh.write("models.ron", &models());
    fresh.write("graph.ron", &edit.text());
    let report = fresh.run("graph.ron", &[]);
    assert!(report.steps.iter().any(|step| &*step.name == "drawn.latent"));
    for step in report.steps.iter().filter(|step| &*step.name != "saved") {
        assert_eq!(Some(&step.outputs), results.get(&*step.name), "`{}`", step.name);
    }
    let picture = |project: &Project| image::open(project.path("out/square.png")).expect("a picture").to_rgb8();
    assert_eq!(picture(&project), picture(&fresh));
}
