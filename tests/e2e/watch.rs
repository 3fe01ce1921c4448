//! `rondel watch`: a real process, and files that change under it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rondel_event::{Event, How, Outcome, What};

use crate::fixture::Project;

const GRAPH: &str = r##"Graph(
    format: 1,
    imports: (square: Graph("square.ron")),
    nodes: (
        square: square(color: "#777777"),
        saved: save(image: square, path: "square.png"),
    ),
    outputs: (saved: saved),
)"##;

const SQUARE: &str = r##"Graph(
    format: 1,
    inputs: (color: Text()),
    nodes: (solid: solid(size: (16, 16), color: color)),
    outputs: (image: solid),
)"##;

/// The longest that something may take that happens at all.
const LIMIT: Duration = Duration::from_secs(60);

/// A watch, the events of its runs, and its words.
pub struct Watch {
    child: Child,
    /// Both are read by threads, so that nobody waits for nobody.
    events: Receiver<String>,
    words: Receiver<String>,
}

impl Watch {
    pub fn start(project: &Project, graph: &str, args: &[&str]) -> Watch {
        let mut command = project.command(&[&["watch", graph, "--events", "jsonl"], args].concat());
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the program starts");
        let events = lines_of(child.stdout.take().expect("a pipe"));
        let words = lines_of(child.stderr.take().expect("a pipe"));
        Watch { child, events, words }
    }

    pub fn until(&mut self, mut is_it: impl FnMut(&What) -> bool) {
        loop {
            let line = self.events.recv_timeout(LIMIT).expect("the watch goes on, and something happens in a minute");
            if is_it(&serde_json::from_str::<Event>(&line).expect("an event").what) {
                return;
            }
        }
    }

    /// What ran until the end of a run, and how that came out.
    fn run(&mut self) -> (String, Outcome) {
        let (mut ran, mut end) = (Vec::new(), None);
        self.until(|what| {
            match what {
                What::StepFinished { step, how: How::Ran, .. } => ran.push(step.to_string()),
                What::RunFinished { outcome, .. } => end = Some(*outcome),
                _ => {}
            }
            end.is_some()
        });
        (ran.join(", "), end.expect("an end"))
    }

    pub fn until_it_says(&mut self, words: &str) {
        let mut said = Vec::new();
        loop {
            // Whoever waits for what is never said is told what was.
            let line = self.words.recv_timeout(LIMIT);
            let Ok(line) = line else { panic!("it never said `{words}`, but:\n{}", said.join("\n")) };
            if line.contains(words) {
                return;
            }
            said.push(line);
        }
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// As Ctrl-C does; the exit code.
    pub fn end(&mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().expect("`kill` is there");
        assert!(sent.success());
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is there") {
                return status.code();
            }
            assert!(began.elapsed() < LIMIT, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The lines that come, read by a thread.
fn lines_of(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    let read = BufReader::new(from).lines();
    std::thread::spawn(move || read.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    lines
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        let _ = self.child.kill();
    }
}

fn project() -> Project {
    let project = Project::new();
    project.write("graph.ron", GRAPH);
    project.write("square.ron", SQUARE);
    project
}

#[test]
fn a_save_runs_what_changed_and_nothing_else() {
    let project = project();
    let mut watch = Watch::start(&project, "graph.ron", &[]);
    assert_eq!(watch.run(), ("square.solid, saved".to_owned(), Outcome::Done));
    watch.until_it_says("watching");

    project.edit("graph.ron", "square.png", "other.png");
    assert_eq!(watch.run(), ("saved".to_owned(), Outcome::Done));
    watch.until_it_says("watching");

    // An import, saved as most editors do: written beside, and renamed.
    project.write("square.ron~", &SQUARE.replace("16, 16", "32, 32"));
    std::fs::rename(project.path("square.ron~"), project.path("square.ron")).expect("a rename");
    watch.until_it_says("changed: square.ron");
    assert_eq!(watch.run(), ("square.solid, saved".to_owned(), Outcome::Done));
    watch.until_it_says("watching");

    project.edit("graph.ron", "format: 1,", "format: 1, // the same");
    assert_eq!(watch.run(), (String::new(), Outcome::Done));
    assert_eq!(watch.end(), Some(130));
}

#[test]
fn a_file_with_mistakes_is_shown_and_its_mending_runs() {
    let project = project();
    project.edit("graph.ron", "save(", "safe(");
    let mut watch = Watch::start(&project, "graph.ron", &[]);
    watch.until_it_says("did you mean `save`");
    project.edit("graph.ron", "safe(", "save(");
    assert_eq!(watch.run(), ("square.solid, saved".to_owned(), Outcome::Done));
    watch.until_it_says("watching");

    std::fs::remove_file(project.path("square.ron")).expect("it is there");
    watch.until_it_says("waiting for the mistakes to be mended");
    project.write("square.ron", SQUARE);
    assert_eq!(watch.run(), (String::new(), Outcome::Done));
    assert_eq!(watch.end(), Some(130));
}

#[test]
fn files_of_the_command_line_are_watched_and_random_seeds_stay() {
    let project = Project::new();
    let graph = |more: &str| {
        format!(
            "Graph(
                format: 1,
                inputs: ({more}seed: Seed(default: Random), color: Text()),
                nodes: (saved: save(image: grey, path: \"{{seed}}.png\"), grey: solid(size: (16, 16), color: color)),
                outputs: (saved: saved),
            )"
        )
    };
    project.write("graph.ron", &graph(""));
    project.write("color.txt", "#777777\n");
    let mut watch = Watch::start(&project, "graph.ron", &["--set", "color=@color.txt"]);
    assert_eq!(watch.run().1, Outcome::Done);
    watch.until_it_says("watching");

    project.write("color.txt", "no color");
    watch.until_it_says("changed: color.txt");
    assert_eq!(watch.run().1, Outcome::Failed);
    watch.until_it_says("watching");

    project.write("color.txt", "#777777\n");
    assert_eq!(watch.run(), (String::new(), Outcome::Done));
    watch.until_it_says("watching");

    project.write("graph.ron", &graph("other: Seed(default: Random), "));
    assert_eq!(watch.run(), (String::new(), Outcome::Done));
    assert_eq!(watch.end(), Some(130));
}

#[test]
fn a_run_gives_way_to_the_next_save_and_what_was_done_is_known() {
    let project = project();
    project.build_pause();
    let waits = GRAPH.replace("imports: (", "imports: (pause: Node(\"c.nap\"), ");
    project.write(
        "graph.ron",
        &waits.replace("nodes: (", "nodes: (wait: pause(),").replace("outputs: (", "outputs: (wait: wait, "),
    );
    let mut watch = Watch::start(&project, "graph.ron", &[]);
    let mut n_seen = 0;
    watch.until(|what| {
        let is_one = match what {
            What::StepProgress { step, .. } => &**step == "wait",
            What::StepFinished { step, .. } => &**step == "saved",
            _ => false,
        };
        n_seen += usize::from(is_one);
        n_seen == 2
    });
    project.write("graph.ron", GRAPH);
    assert_eq!(watch.run().1, Outcome::Cancelled);
    assert_eq!(watch.run(), (String::new(), Outcome::Done));
    assert_eq!(watch.end(), Some(130));
}

#[test]
fn the_end_of_a_watch_is_the_end_of_its_run() {
    let project = project();
    project.build_pause();
    project.write(
        "graph.ron",
        "Graph(format: 1, imports: (pause: Node(\"c.nap\")), nodes: (wait: pause()), outputs: (wait: wait))",
    );
    let mut watch = Watch::start(&project, "graph.ron", &[]);
    watch.until(|what| matches!(what, What::StepProgress { .. }));
    assert_eq!(watch.end(), Some(130));
}

#[test]
fn pictures_models_and_providers_are_watched_too() {
    let project = Project::new();
    let picture = |grey: u8| {
        image::RgbImage::from_pixel(16, 16, image::Rgb([grey; 3])).save(project.path("coat.png")).expect("a picture");
    };
    picture(10);
    project.write(
        "graph.ron",
        "Graph(
            format: 1,
            nodes: (saved: save(image: File(\"coat.png\"), path: \"coat.png\", if_exists: Replace)),
            outputs: (saved: saved),
        )",
    );
    let mut watch = Watch::start(&project, "graph.ron", &[]);
    assert_eq!(watch.run().1, Outcome::Done);
    watch.until_it_says("watching");

    picture(200);
    watch.until_it_says("changed: coat.png");
    let (ran, outcome) = watch.run();
    assert!(ran.ends_with("saved") && outcome == Outcome::Done, "{ran}");
    watch.until_it_says("watching");

    // None of these files was there before.
    project.write("providers.ron", "Providers(format: 1, spend: (day: ten))");
    watch.until_it_says("what was known of providers before holds");
    watch.until_it_says("watching");
    project.write("providers.ron", "Providers(format: 1, spend: (day: 10))");
    watch.until_it_says("changed: providers.ron");
    watch.until_it_says("watching");
    assert_eq!(watch.end(), Some(130));
}

#[test]
fn a_registry_of_models_is_watched() {
    let project = Project::with(&["text_to_image.ron"]);
    project.write("models.ron", "Models(format: 1, models: {");
    let mut watch = Watch::start(&project, "text_to_image.ron", &[]);
    watch.until_it_says("waiting for the mistakes to be mended");
    project.write("models.ron", "Models(format: 1, models: {})");
    watch.until_it_says("changed: models.ron");
    assert_eq!(watch.run().1, Outcome::Done);
    assert_eq!(watch.end(), Some(130));
}
