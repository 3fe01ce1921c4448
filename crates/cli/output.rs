//! Displays of a run: readers of its events.

pub mod diagnostics;
pub mod files;
pub mod hashing;
pub mod hosted;
pub mod needs;

mod bars;
pub mod lines;
mod previews;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use previews::Previews;
use rondel_cache::Cache;
use rondel_engine::Plan;
use rondel_event::{Event, Gauge, Report, RunView, What};
use rondel_tui::News;

use crate::args::DisplayArgs;
use crate::screen::Teller;
use crate::screen::planned::planned;
use crate::{alloc, words};

/// The least time between two looks at the memory.
const BETWEEN_MEASURES: Duration = Duration::from_millis(500);

/// What shows runs, one after the other: words for people, and events for machines if they were asked for.
pub struct Display {
    people: Option<People>,
    with_bars: bool,
    events: Option<Events>,
    previews: Option<Previews>,
    is_quiet: bool,
    onto: Option<Onto>,
}

enum People {
    Bars(bars::Bars),
    Lines(lines::Lines),
    Screen(Onto),
}

/// Hands a run on to the screen.
#[derive(Clone)]
pub struct Onto {
    teller: Teller,
    command: String,
    memory_budget_bytes: Option<u64>,
    cache: Arc<Cache>,
    cache_limit_bytes: u64,
    /// When memory and cache were last told.
    measured: Option<Instant>,
}

/// Where events go, one JSON object a line.
struct Events {
    to: Box<dyn Write + Send>,
    is_stdout: bool,
    /// The first line that could not be written; nothing is written after it.
    error: Option<io::Error>,
}

impl Display {
    pub fn new(args: &DisplayArgs, with_bars: bool, cache: &Arc<Cache>) -> Result<Display> {
        let previews = match &args.previews {
            Some(folder) => Some(Previews::new(folder, cache)?),
            None => None,
        };
        let events = match &args.events {
            None => None,
            Some(to) if to == Path::new("jsonl") => {
                Some(Events { to: Box::new(io::stdout()), is_stdout: true, error: None })
            }
            Some(path) => {
                if let Some(folder) = path.parent() {
                    // If it cannot be made, opening the file says so.
                    let _ = std::fs::create_dir_all(folder);
                }
                let file =
                    File::create(path).with_context(|| format!("events cannot be written: {}", path.display()))?;
                Some(Events { to: Box::new(BufWriter::new(file)), is_stdout: false, error: None })
            }
        };
        Ok(Display { people: None, with_bars, events, previews, is_quiet: args.quiet, onto: None })
    }

    /// From now on runs are shown on a screen.
    pub fn show_on(self, onto: Onto) -> Display {
        Display { onto: Some(onto), ..self }
    }

    /// Gets ready for a run of this plan.
    pub fn begin(&mut self, plan: &Plan) {
        let width = lines::name_width(plan.steps.node_weights().map(|step| &step.name));
        self.people = Some(match self.with_bars {
            _ if let Some(onto) = &self.onto => {
                onto.teller.tell(News::Planned(Box::new(planned(plan, &onto.command))));
                People::Screen(onto.clone())
            }
            true => People::Bars(bars::Bars::new(width)),
            false => People::Lines(lines::Lines::new(width, self.is_quiet)),
        });
    }

    pub fn event(&mut self, event: &Event, view: &RunView) {
        if let Some(events) = &mut self.events {
            events.write(event);
        }
        if let (Some(previews), What::StepPreview { step, image }) = (&mut self.previews, &event.what) {
            previews.show(step, image);
        }
        match &mut self.people {
            Some(People::Bars(bars)) => bars.event(event, view),
            Some(People::Lines(lines)) => lines.event(event, view),
            Some(People::Screen(onto)) => onto.event(event),
            None => {}
        }
    }

    /// Says how the run ended, and prints the files that it wrote, as data.
    pub fn end(&mut self, report: &Report) {
        if let Some(People::Screen(_)) = self.people.take() {
            return;
        }
        self.say_end(report);
    }

    /// The same for a run whose screen was closed.
    pub fn say_end(&self, report: &Report) {
        if !self.is_quiet {
            words::say(lines::summary(report));
        }
        if self.events.as_ref().is_none_or(|events| !events.is_stdout) {
            for path in report.outputs.iter().filter_map(|output| output.path.as_ref()) {
                words::data(path);
            }
        }
    }

    /// Fails if not all events could be written.
    pub fn finish(self) -> Result<()> {
        self.events.map_or(Ok(()), Events::finish)
    }
}

impl Onto {
    /// `command` runs the graph, without its inputs. The cache may take so many bytes.
    pub fn new(
        teller: Teller,
        command: String,
        memory_budget_bytes: Option<u64>,
        cache: Arc<Cache>,
        cache_limit_bytes: u64,
    ) -> Onto {
        Onto { teller, command, memory_budget_bytes, cache, cache_limit_bytes, measured: None }
    }

    fn event(&mut self, event: &Event) {
        self.teller.tell(News::Event(Box::new(event.clone())));
        let is_last = matches!(event.what, What::RunFinished { .. });
        if is_last || self.measured.is_none_or(|at| at.elapsed() >= BETWEEN_MEASURES) {
            self.measured = Some(Instant::now());
            let memory = Gauge { used_bytes: alloc::held_bytes(), limit_bytes: self.memory_budget_bytes };
            let cache = match self.cache.bytes_on_disk() {
                Some(used_bytes) => Gauge { used_bytes, limit_bytes: Some(self.cache_limit_bytes) },
                None => Gauge::default(),
            };
            self.teller.tell(News::Resources { memory, cache });
        }
    }
}

impl Events {
    fn write(&mut self, event: &Event) {
        if self.error.is_some() {
            return;
        }
        let line = serde_json::to_string(event).expect("an event is text and numbers");
        let flush = matches!(event.what, What::StepFinished { .. } | What::RunFinished { .. });
        let written = writeln!(self.to, "{line}").and_then(|()| if flush { self.to.flush() } else { Ok(()) });
        self.error = written.err();
    }

    fn finish(mut self) -> Result<()> {
        let flushed = self.to.flush();
        match self.error.take().map_or(flushed, Err) {
            // Whoever read the events has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.context("events could not all be written"),
        }
    }
}
