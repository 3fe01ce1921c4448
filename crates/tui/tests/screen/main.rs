//! Recordings plus actions, drawn to a screen of letters.
//!
//! - [`recording`]: runs as they are told
//! - [`snapshots`]: what is drawn, at three sizes
//! - [`reach`]: everything can be reached, by key, by name and by mouse
//! - [`asks`]: what actions ask of the run

mod asks;
mod reach;
mod recording;
mod snapshots;
