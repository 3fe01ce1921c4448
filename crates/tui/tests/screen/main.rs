//! Recordings plus actions, drawn to a screen of letters.
//!
//! - [`recording`]: runs as they are told
//! - [`snapshots`]: what is drawn, at three sizes
//! - [`reach`]: everything can be reached, by key, by name and by mouse
//! - [`asks`]: what actions ask of the run
//! - [`idle`]: when it is drawn, and when not
//! - [`outside`]: what has the terminal for itself
//! - [`strange`]: texts that would steer a terminal
//! - [`protocols`]: pictures in the ways that terminals take them

mod asks;
mod idle;
mod outside;
mod protocols;
mod reach;
mod recording;
mod snapshots;
mod strange;
