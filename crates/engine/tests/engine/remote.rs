//! Machines that share results.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use expect_test::{Expect, expect};
use rondel_cache::{CacheError, MemoryTier, Offer, Record, Remote, RemoteCounts, Tier};
use rondel_engine::ask;
use rondel_event::{How, What};
use rondel_value::{Bundle, Digest};

use crate::lab::{Lab, Setup};

/// A tier that is near: what is offered is there at once.
struct Near {
    results: MemoryTier,
    counts: Mutex<RemoteCounts>,
    /// Blobs are lost on their way.
    loses_blobs: AtomicBool,
    /// That it was told of.
    n_runs: AtomicU32,
}

impl Near {
    fn new() -> Near {
        let (counts, loses_blobs, n_runs) = Default::default();
        Near { results: MemoryTier::new(1 << 20), counts, loses_blobs, n_runs }
    }

    /// The steps whose results are there.
    fn names(&self, plan: &rondel_engine::Plan) -> String {
        let known = plan.ids().filter(|id| self.find(&[plan.step(*id).recipe])[0].is_some());
        known.map(|id| plan.step(id).name.to_string()).collect::<Vec<_>>().join(", ")
    }
}

impl Tier for Near {
    fn action(&self, recipe: &Digest) -> Result<Option<Digest>, CacheError> {
        self.results.action(recipe)
    }

    fn put_alias(&self, recipe: &Digest, action: &Digest) -> Result<(), CacheError> {
        self.results.put_alias(recipe, action)
    }

    fn record(&self, action: &Digest) -> Result<Option<Arc<Record>>, CacheError> {
        self.results.record(action)
    }

    fn put_record(&self, action: &Digest, record: &Arc<Record>) -> Result<(), CacheError> {
        self.results.put_record(action, record)
    }

    fn has_blob(&self, digest: &Digest) -> bool {
        self.results.has_blob(digest)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Bundle>, CacheError> {
        match self.loses_blobs.load(Ordering::Relaxed) {
            true => Ok(None),
            false => self.results.blob(digest),
        }
    }

    fn put_blob(&self, bundle: &Bundle, ms: f64) -> Result<(), CacheError> {
        self.results.put_blob(bundle, ms)
    }
}

impl Remote for Near {
    fn begin_run(&self) {
        self.n_runs.fetch_add(1, Ordering::Relaxed);
    }

    fn find(&self, recipes: &[Digest]) -> Vec<Option<(Digest, Arc<Record>)>> {
        let find = |recipe| {
            let action = self.action(recipe).unwrap()?;
            Some((action, self.record(&action).unwrap()?))
        };
        recipes.iter().map(find).collect()
    }

    fn takes_offers(&self) -> bool {
        true
    }

    fn offer(&self, offer: Offer) {
        for blob in offer.record.blobs() {
            self.put_blob(&offer.blobs.blob(&blob).unwrap().expect("an offered blob is there"), 0.0).unwrap();
        }
        self.put_record(&offer.action, &offer.record).unwrap();
        self.put_alias(&offer.recipe, &offer.action).unwrap();
        self.counts.lock().unwrap().n_put += 1;
    }

    fn drain(&self, _limit: Duration, _goes_on: &dyn Fn() -> bool) {}

    fn counts(&self) -> RemoteCounts {
        *self.counts.lock().unwrap()
    }

    fn take_troubles(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Runs a graph on one machine and then, with its inputs set, on another that has nothing.
fn check_other(graph: &str, set: &[(&str, &str)], expected: Expect) {
    let near = Arc::new(Near::new());
    Lab::sharing(near.clone()).run(graph);
    expected.assert_eq(&Lab::sharing(near).run_with(graph, &Setup { set, ..Setup::default() }).table());
}

const PICTURE: &str = "
    inputs: (n: Int(default: 10)),
    nodes: (
        half: halve(a: n),
        heavy: heavy(a: half, weights: \"w\", bytes: 10),
        image: paint(value: heavy),
        seen: look(image: image),
        text: words(text: \"seen\"),
        file: write(text: text, path: \"seen.txt\"),
    ),
    outputs: (seen: seen, file: file),";

#[test]
fn another_machine_makes_nothing_but_its_files() {
    check_other(
        PICTURE,
        &[],
        expect![[r#"
        half: known_by_recipe
        heavy: known_by_recipe
        image: known_by_recipe
        seen: known_by_recipe
        text: known_by_recipe
        file: ran, not done before
    "#]],
    );
}

#[test]
fn what_came_out_the_same_is_asked_for_by_content_where_asking_is_worth_it() {
    // 11 has the half of 10. What comes after is not asked for on the way.
    check_other(
        PICTURE,
        &[("n", "11")],
        expect![[r#"
        half: ran, not done before
        heavy: known_by_content
        image: ran, not done before
        seen: ran, not done before
        text: known_by_recipe
        file: ran, not done before
    "#]],
    );
}

#[test]
fn effects_and_what_is_not_kept_stay_here() {
    let near = Arc::new(Near::new());
    let lab = Lab::sharing(near.clone());
    let graph = "
        nodes: (
            drawn: impure(),
            after: add(a: drawn, b: 1),
            own: number(value: 1, with: (cache: Never)),
            common: number(value: 2),
            sum: add(a: common, b: 1),
            file: write(text: \"a\", path: \"a.txt\"),
        ),
        outputs: (after: after, own: own, sum: sum, file: file),";
    let plan = lab.plan(graph, &Setup::default());
    lab.run_plan(&plan, &Setup::default());
    assert_eq!(near.names(&plan), "common, sum");
}

#[test]
fn failed_steps_stay_here() {
    let near = Arc::new(Near::new());
    let lab = Lab::sharing(near.clone());
    let graph = "nodes: (bad: fail(), fine: number(value: 1)), outputs: (bad: bad, fine: fine),";
    let plan = lab.plan(graph, &Setup::default());
    lab.run_plan(&plan, &Setup::default());
    assert_eq!(near.names(&plan), "fine");
}

#[test]
fn what_was_made_from_a_fallback_is_not_shared_under_what_it_stood_in_for() {
    let near = Arc::new(Near::new());
    let lab = Lab::sharing(near.clone());
    let graph = "
        nodes: (
            hosted: fail(a: 1),
            local: number(value: 5),
            picked: first_ok(of: [hosted, local]),
            sum: add(a: picked, b: 1000),
        ),
        outputs: (sum: sum),";
    let plan = lab.plan(graph, &Setup::default());
    let ran = lab.run_plan(&plan, &Setup::default());
    assert_eq!((ran.how("sum"), ran.report.remote.unwrap().n_put), (How::Ran, 2));
    // To a machine on which `hosted` can be made, the plan's `sum` is not known.
    assert_eq!(near.names(&plan), "local");
}

#[test]
fn a_result_that_is_lost_there_is_made_again() {
    let near = Arc::new(Near::new());
    Lab::sharing(near.clone()).run(PICTURE);
    near.loses_blobs.store(true, Ordering::Relaxed);
    let other = Lab::sharing(near).run_with(PICTURE, &Setup { rerun: &["seen"], ..Setup::default() });
    assert_eq!((other.how("image"), other.how("heavy")), (How::Ran, How::KnownByRecipe));
    assert_eq!(other.report.exit_code, 0);
}

#[test]
fn what_is_known_here_is_asked_for_no_more_and_given() {
    let near = Arc::new(Near::new());
    let lab = Lab::new();
    let plan = lab.plan(PICTURE, &Setup::default());
    lab.run_plan(&plan, &Setup::default());
    let cache = Arc::into_inner(lab.cache()).unwrap().with_remote(near.clone());
    ask(&plan, &cache).unwrap();
    // Those before `seen` too, which this run does not look for.
    assert_eq!(near.names(&plan), "half, heavy, image, seen, text");
}

#[test]
fn what_another_machine_made_can_be_computed_again_and_compared() {
    let near = Arc::new(Near::new());
    Lab::sharing(near.clone()).run(PICTURE);
    let ran = Lab::sharing(near).run_with(PICTURE, &Setup { verify: 1.0, ..Setup::default() });
    let verified = ran.events.iter().filter_map(|event| match &event.what {
        What::StepVerified { step, differs, problem: None, .. } if differs.is_empty() => Some(&**step),
        _ => None,
    });
    assert_eq!(verified.collect::<Vec<_>>(), ["half", "heavy", "image", "seen", "text"]);
}

#[test]
fn the_report_says_what_the_tier_did() {
    let report = Lab::sharing(Arc::new(Near::new())).run(PICTURE).report;
    assert_eq!(report.remote.map(|remote| remote.n_put), Some(5));
    assert_eq!(Lab::new().run(PICTURE).report.remote, None);
}

#[test]
fn of_many_runs_in_one_process_each_says_what_the_tier_did_for_it() {
    let near = Arc::new(Near::new());
    let lab = Lab::sharing(near.clone());
    let n_put =
        |n: &str| lab.run_with(PICTURE, &Setup { set: &[("n", n)], ..Setup::default() }).report.remote.unwrap().n_put;
    assert_eq!((n_put("10"), n_put("20"), n_put("20")), (5, 5, 5));
    assert_eq!(near.n_runs.load(Ordering::Relaxed), 3);
    // The next plan is asked for while a run is on.
    let [this, next] = ["30", "40"].map(|n| lab.plan(PICTURE, &Setup { set: &[("n", n)], ..Setup::default() }));
    ask(&this, &lab.cache()).unwrap();
    near.counts.lock().unwrap().n_found += 1;
    ask(&next, &lab.cache()).unwrap();
    let n_found = |plan| lab.run_plan(plan, &Setup::default()).report.remote.unwrap().n_found;
    assert_eq!((n_found(&this), n_found(&next)), (1, 0));
    // What waits is what waits now, though nothing of it is this run's.
    near.counts.lock().unwrap().n_lost = 3;
    near.counts.lock().unwrap().n_waiting = 2;
    assert_eq!(lab.run(PICTURE).report.remote.map(|remote| remote.n_left), Some(2));
}
