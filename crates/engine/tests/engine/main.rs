//! The engine on graphs of stub kinds: what runs, what is known, and why.

mod against;
mod events;
mod failure;
mod lab;
mod models;
mod plan;
mod rerun;
mod why;
