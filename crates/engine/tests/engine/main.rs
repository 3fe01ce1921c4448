//! The engine on graphs of stub kinds: what runs, what is known, and why.

mod against;
mod because;
mod damage;
mod each;
mod elsewhere;
mod events;
mod failure;
mod lab;
mod lazy;
mod memory;
mod models;
mod order;
mod patience;
mod pause;
mod plan;
mod random;
mod remote;
mod rerun;
mod resume;
mod soak;
mod sweeps;
mod verify;
mod why;
