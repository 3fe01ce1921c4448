//! The one stream of events of a run, and its reducer.
//!
//! Whoever shows a run, as bars, as lines, as JSON or later as a picture of it, reads [`Event`]s and looks at a [`RunView`].
//! [`RunView::apply`] is the only place where events become state.
//!
//! - [`event`]: what happens in a run, and its JSON form
//! - [`why`]: why a step runs
//! - [`view`]: what a run looks like after some events
//! - [`report`]: the record of a finished run
//!
//! This crate does no I/O and never reads a clock: times are given.

pub mod event;
pub mod report;
pub mod view;
pub mod why;

pub use event::{
    Event, Gauge, GraphRef, Level, Outcome, OutputInfo, Place, PointInfo, Problem, RemoteUse, StepInfo, StepName, What,
};
pub use report::{PointReport, Report, StepReport};
pub use view::{How, RunView, State, StepView};
pub use why::{Change, Why};
