//! An hour of edits under `rondel watch`: every picture is right, and memory and the cache stay bounded.
//!
//! ```sh
//! SOAK_SECONDS=3600 cargo test --test e2e soak -- --ignored --nocapture
//! ```
//!
//! Edits are drawn at random: other values, nodes that come and go, comments, mistakes, saves in place and by renaming, some of
//! them faster than a run. The model in the box draws, too.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::Path;
use std::time::{Duration, Instant};

use rondel_event::{Outcome, What};

use crate::fixture::{Project, root};
use crate::watch::Watch;

const N_LINES: u32 = 20;

/// So little that both are reached within minutes.
const LIMITS: [&str; 4] = ["--cache-memory", "4MiB", "--cache-size", "8MiB"];
const CACHE_BYTES: u64 = 8 << 20;

/// What a graph is made from.
#[derive(Clone)]
struct Edit {
    /// Tells runs apart.
    serial: usize,
    color: u8,
    n_more: u64,
    /// What the model draws from, if it does.
    seed: Option<u64>,
    has_mistake: bool,
    comment: u64,
}

impl Edit {
    fn text(&self) -> String {
        let Edit { serial, color, comment, .. } = self;
        let kind = if self.has_mistake { "solit" } else { "solid" };
        let mut nodes = String::new();
        for i in 0..self.n_more {
            nodes.push_str(&format!(
                "more{i}: solid(size: (32, 32), color: \"#0000{:02x}\"),\n",
                color.wrapping_add(i as u8)
            ));
        }
        let seed = self.seed.unwrap_or(0);
        if self.seed.is_some() {
            nodes.push_str("drawn: paint(prompt: \"a car on a green background\", seed: seed),\n");
        }
        let outputs: String = (0..self.n_more).map(|i| format!("more{i}: more{i}, ")).collect();
        let drawn = if self.seed.is_some() { "drawn: drawn, " } else { "" };
        format!(
            "// {comment}
            Graph(
                format: 1,
                imports: (paint: Graph(\"text_to_image.ron\")),
                inputs: (serial: Int(default: {serial}), seed: Seed(default: {seed})),
                nodes: (
                    square: {kind}(size: (16, 16), color: \"#{color:02x}0000\"),
                    {nodes}
                    saved: save(image: square, path: \"square.png\", if_exists: Replace),
                ),
                outputs: ({outputs}{drawn}saved: saved),
            )"
        )
    }
}

/// Equal seeds, equal numbers.
pub struct Draws(pub u64);

impl Draws {
    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        // SplitMix64, by Vigna.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

#[test]
#[ignore = "long: SOAK_SECONDS=3600 cargo test --test e2e soak -- --ignored --nocapture"]
fn memory_stays_bounded_however_long_a_graph_is_watched() {
    let seconds = std::env::var("SOAK_SECONDS").ok().map_or(120, |text| text.parse().expect("a number of seconds"));
    let (began, whole) = (Instant::now(), Duration::from_secs(seconds));
    let seed = RandomState::new().hash_one(0);
    println!("seed {seed}");
    let mut draws = Draws(seed);

    let project = Project::with(&["text_to_image.ron"]);
    project.write("models.ron", &models());
    let mut edit = Edit { serial: 0, color: 0, n_more: 0, seed: None, has_mistake: false, comment: 0 };
    project.write("graph.ron", &edit.text());
    let mut watch = Watch::start(&project, "graph.ron", &LIMITS);
    wait_for(&mut watch, &project, &edit);

    println!("seconds    edits   runs  mistakes  held MiB  cache MiB");
    let (mut n_edits, mut n_runs, mut n_mistakes, mut held, mut most_cache_bytes) = (0, 1, 0, Vec::new(), 0);
    for line in 1..=N_LINES {
        while began.elapsed() < whole * line / N_LINES {
            // The last of a burst is what counts.
            for _ in 0..=draws.below(4).saturating_sub(2) {
                edit.serial += 1;
                n_edits += 1;
                match draws.below(8) {
                    0..3 => edit.color = draws.below(256) as u8,
                    3 => edit.n_more = draws.below(6),
                    4 => edit.seed = Some(draws.below(1000)),
                    5 => edit.seed = None,
                    _ => edit.comment = draws.below(1_000_000),
                }
                edit.has_mistake = draws.below(10) == 0;
                save(&project, &edit.text(), draws.below(2) == 0);
                std::thread::sleep(Duration::from_millis(draws.below(300)));
            }
            if edit.has_mistake {
                n_mistakes += 1;
                edit.has_mistake = false;
                edit.serial += 1;
                save(&project, &edit.text(), true);
            }
            n_runs += wait_for(&mut watch, &project, &edit);
        }
        held.push(held_bytes(watch.id()));
        let cache_bytes =
            ["action", "blob", "recipe"].map(|part| bytes_below(&project.path("cache/v1").join(part))).iter().sum();
        most_cache_bytes = most_cache_bytes.max(cache_bytes);
        println!(
            "{:7}  {n_edits:7}  {n_runs:5}  {n_mistakes:8}  {:8.1}  {:9.1}",
            began.elapsed().as_secs(),
            mib(*held.last().expect("just put")),
            mib(cache_bytes),
        );
    }
    assert_eq!(watch.end(), Some(130));
    assert!(most_cache_bytes < CACHE_BYTES + (1 << 20), "{:.1} MiB on disk", mib(most_cache_bytes));
    // Whatever grows with time would grow by more than this between the first half and the second.
    let (first, second) = held.split_at(held.len() / 2);
    let (first, second) = (first.iter().max().expect("ten"), second.iter().max().expect("ten"));
    assert!(*second < first + first / 4 + (8 << 20), "{:.1} MiB, then {:.1} MiB", mib(*first), mib(*second));
}

/// The file that names the model in the box, as seen from a temporary folder.
pub fn models() -> String {
    let folder = root().join("graphs/models/tiny-flux2").display().to_string();
    format!("Models(format: 1, models: {{\"tiny-flux2\": (family: Flux2, source: Folder({folder:?}))}})")
}

/// Saves the graph, in place or by renaming, as editors do.
pub fn save(project: &Project, text: &str, in_place: bool) {
    match in_place {
        true => project.write("graph.ron", text),
        false => {
            project.write("graph.ron~", text);
            std::fs::rename(project.path("graph.ron~"), project.path("graph.ron")).expect("a rename");
        }
    }
}

/// Waits for the end of the run of an edit, and looks at its picture. How many runs that were.
fn wait_for(watch: &mut Watch, project: &Project, edit: &Edit) -> usize {
    let (mut n_runs, mut is_it) = (0, false);
    watch.until(|what| match what {
        What::RunStarted { inputs, .. } => {
            is_it = inputs["serial"] == edit.serial;
            n_runs += 1;
            false
        }
        // A file that is read while it is being written may be whole by then, and is read once more.
        What::RunFinished { outcome: Outcome::Cancelled, .. } => false,
        What::RunFinished { outcome, .. } => {
            assert!(*outcome == Outcome::Done || !is_it, "edit {}: {outcome:?}", edit.serial);
            is_it
        }
        _ => false,
    });
    let picture = image::open(project.path("out/square.png")).expect("a picture").to_rgb8();
    assert_eq!(picture.get_pixel(8, 8).0, [edit.color, 0, 0], "edit {}", edit.serial);
    n_runs
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
        Ok(meta) => meta.len(),
        // A temporary file that is gone.
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What a process holds in memory.
fn held_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line of it");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number of KiB") << 10
}
