//! What comes in from whoever runs the graph, and what goes out to them.

use rondel_event::{Event, Gauge, Report, StepName};

/// Something that whoever runs the graph has to tell.
#[derive(Clone, Debug)]
pub enum News {
    /// In the order of the run, none left out.
    Event(Box<Event>),
    /// The files were read and are in order; a run of them follows.
    Planned(Box<Planned>),
    /// The files were read and are not in order; they are if there is none.
    Mistakes(Vec<Mistake>),
    /// Words that would otherwise stand on standard error.
    Said(String),
    Resources {
        memory: Gauge,
        cache: Gauge,
    },
    /// What was asked for with [`Request::Look`].
    Page(Page, Vec<Row>),
    /// What was asked for with [`Request::Detail`].
    Detail(StepName, Vec<Row>),
    /// The inputs that hold other values than the file and the command line say, all of them.
    Changed(Vec<(String, String)>),
    /// Why something that was asked for is not done.
    Refused(String),
    /// The screen is to end.
    Ended,
}

/// What a graph is, beside its steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// The name of the file.
    pub file: String,
    pub fields: Vec<Field>,
    /// Each with what it says, as one line.
    pub presets: Vec<Preset>,
    /// The command that repeats this run.
    pub command: String,
}

/// An input of the graph, as a line of a form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Field {
    pub name: String,
    pub ty: String,
    pub doc: String,
    /// As it would be typed.
    pub value: String,
    /// Where the value comes from: `default`, `--set`, a preset.
    pub origin: String,
    /// What it may be: `1 to 50`, `a multiple of 16`.
    pub range: String,
}

/// A preset of the graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preset {
    pub name: String,
    pub text: String,
}

/// A mistake of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// As it is drawn on a terminal, without colours.
    pub text: String,
    pub spot: Option<Spot>,
}

/// A line of a file, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    pub path: String,
    pub line: usize,
}

/// A line of a page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// What it stands for, such as the id of a run.
    pub id: String,
    pub text: String,
}

/// A list that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Cache,
    Runs,
    /// Two runs side by side.
    Difference,
}

/// What a person wants of whoever runs the graph.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Cancel,
    /// Start nothing more, or go on.
    Pause(bool),
    /// Whether pictures of what is not done are looked at; until this is said, they are not.
    Previews(bool),
    Rerun(StepName),
    /// Run it with other seeds.
    Reseed(StepName),
    /// Take the values of a preset.
    Preset(String),
    /// Keep the results of a run, by its id, or no longer.
    Pin(String),
    /// Show a run again, by its id; the terminal is its own until it is closed.
    Replay(String),
    /// Bring the cache below its limit.
    Tidy,
    Set {
        input: String,
        value: String,
    },
    /// Write these inputs into the file.
    Write(Vec<(String, String)>),
    Detail(StepName),
    Look(Page),
    /// Compare a run, by its id, with the one on the screen.
    Compare(String, Box<Report>),
    /// Open the editor; the terminal is its own until it ends. Without a place, at the step.
    Edit {
        spot: Option<Spot>,
        step: Option<StepName>,
    },
    /// For the clipboard of the terminal.
    Copy(String),
    Quit,
}
