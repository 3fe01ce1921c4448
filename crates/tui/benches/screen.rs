//! What a frame costs, and a key until it is to be seen, of sweeps with a hundred to ten thousand steps.
//!
//!     cargo bench -p rondel-tui
//!
//! Frames go through all of the terminal's drawing, the sequences too; what would read them is not there. A screen that draws
//! thirty times a second has 33 ms for each.

use std::io::Sink;

use divan::{Bencher, black_box};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use rondel_event::{Event, GraphRef, How, PointInfo, StepInfo, What, Why};
use rondel_tui::{Action, App, Keys, News, Theme, draw};
use rondel_value::{Digest, Lane};

const SIZES: [usize; 3] = [100, 1_000, 10_000];
const AREA: Rect = Rect::new(0, 0, 120, 40);

fn main() {
    divan::main();
}

fn step(name: String, after: Vec<String>) -> StepInfo {
    let after = after.iter().map(|name| name.as_str().into()).collect();
    StepInfo { name: name.as_str().into(), kind: "sample".to_owned(), lane: Lane::Cpu, after, label: None }
}

/// A sweep of about so many steps: a text, four steps for each point, and a sheet of all pictures.
fn steps(n_steps: usize) -> (Vec<StepInfo>, Vec<PointInfo>) {
    let n_points = n_steps / 4;
    let mut all = vec![step("text".to_owned(), Vec::new())];
    for seed in 0..n_points {
        let name = |node: &str| format!("{node}[seed={seed}]");
        all.push(step(name("noise"), Vec::new()));
        all.push(step(name("latent"), vec![name("noise"), "text".to_owned()]));
        all.push(step(name("image"), vec![name("latent")]));
        all.push(step(name("saved"), vec![name("image")]));
    }
    all.push(step("contact sheet".to_owned(), (0..n_points).map(|seed| format!("image[seed={seed}]")).collect()));
    (all, vec![PointInfo::default(); n_points])
}

fn event(seq: usize, what: What) -> News {
    News::Event(Box::new(Event { seq: seq as u64, at_ms: seq as f64, run: "bench".into(), what }))
}

fn started(n_steps: usize) -> News {
    let (steps, points) = steps(n_steps);
    event(0, What::RunStarted { graph: GraphRef::default(), inputs: Default::default(), steps, points })
}

fn finished(step: &str) -> What {
    let outputs = vec![Digest::of(step.as_bytes())];
    What::StepFinished { step: step.into(), how: How::Ran, action: None, outputs, ms: 3.0, peak_bytes: 0 }
}

/// A sweep of which the first half is done and one step runs.
fn halfway(n_steps: usize) -> App {
    let mut app = App::new(Theme::FULL, Keys::default());
    app.ui.screen = AREA;
    app.hear(started(n_steps));
    let names: Vec<_> = app.view.steps.keys().cloned().collect();
    for (seq, name) in names[..n_steps / 2].iter().enumerate() {
        app.hear(event(seq, finished(name)));
    }
    let start = What::StepStarted { step: names[n_steps / 2].clone(), lane: Lane::Cpu, why: Why::NoRecord };
    app.hear(event(n_steps / 2, start));
    app
}

fn terminal() -> Terminal<CrosstermBackend<Sink>> {
    let options = TerminalOptions { viewport: Viewport::Fixed(AREA) };
    Terminal::with_options(CrosstermBackend::new(std::io::sink()), options).expect("a sink takes everything")
}

/// What the screen does for each frame.
fn frame(app: &App, terminal: &mut Terminal<CrosstermBackend<Sink>>) {
    black_box(app.wish());
    terminal.draw(|frame| draw(app, frame)).expect("a sink takes everything");
}

#[divan::bench(args = SIZES)]
fn a_frame(bencher: Bencher<'_, '_>, n_steps: usize) {
    let (app, mut terminal) = (halfway(n_steps), terminal());
    bencher.bench_local(|| frame(&app, &mut terminal));
}

#[divan::bench(args = SIZES)]
fn a_key_until_it_is_seen(bencher: Bencher<'_, '_>, n_steps: usize) {
    let (mut app, mut terminal) = (halfway(n_steps), terminal());
    app.update(&Action::Fold);
    let mut keys = [Action::Down, Action::Up].iter().cycle();
    bencher.bench_local(|| {
        app.update(keys.next().expect("it goes on"));
        frame(&app, &mut terminal);
    });
}

#[divan::bench(args = SIZES)]
fn an_event(bencher: Bencher<'_, '_>, n_steps: usize) {
    let mut app = halfway(n_steps);
    let done = finished("latent[seed=1]");
    let mut seq = n_steps;
    bencher.bench_local(|| {
        seq += 1;
        app.hear(event(seq, done.clone()));
    });
}

#[divan::bench(args = SIZES)]
fn a_new_plan(bencher: Bencher<'_, '_>, n_steps: usize) {
    let mut app = App::new(Theme::FULL, Keys::default());
    bencher.with_inputs(|| started(n_steps)).bench_local_values(|plan| app.hear(plan));
}

#[divan::bench(args = SIZES)]
fn folding_and_unfolding(bencher: Bencher<'_, '_>, n_steps: usize) {
    let mut app = halfway(n_steps);
    bencher.bench_local(|| {
        app.update(&Action::Fold);
        app.update(&Action::Fold);
    });
}
