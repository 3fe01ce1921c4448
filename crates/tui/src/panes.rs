//! The panes, one file each.

pub mod footer;
pub mod graph;
pub mod header;
pub mod log;
pub mod now;
pub mod preview;
pub mod steps;
