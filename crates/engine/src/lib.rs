//! Plans and runs graphs.
//!
//! - [`site`]: what surrounds a graph file, kinds, files, and models by their names in `models.ron`
//! - [`installed`]: plugins in folders, and what is known of them
//! - [`weights`]: from a model's files to what their headers say, and to digests
//! - [`mod@plan`]: what is to be done for one run, and why
//! - [`mod@run`]: doing it: dispatcher, lanes, events
//! - [`watch`]: when to do it again
//! - [`lock`]: what a graph stands on, by content
//! - [`record`], [`last`]: what a run leaves behind; [`mod@because`], [`mod@difference`]: what can be read from it
//!
//! The engine links no tensor library, prints nothing and reads no environment: time, randomness and folders are given.

pub mod because;
pub mod difference;
mod imports;
pub mod installed;
pub mod last;
pub mod lock;
pub mod plan;
pub mod record;
pub mod run;
pub mod site;
pub mod stamp;
pub mod watch;
pub mod weights;

pub use because::{Because, BecauseError, because};
pub use difference::{Compared, Difference, StepDifference, difference};
pub use lock::Lock;
pub use plan::asks::{Ask, asks};
pub use plan::explain::{Forecast, KeyParts, forecast, key_parts};
pub use plan::flatten::{Meaning, PlanError, PlanOptions, plan};
pub use plan::inputs::Given;
pub use plan::needs::{StepNeed, Weighed, needs, weigh};
pub use plan::remote::ask;
pub use plan::{Plan, StepId};
pub use run::{Clock, Control, MemoryProbe, RunOptions, failure, run};
pub use site::Site;
