//! Compares every stage with what the reference implementation computed, on tiny models with random weights, and draws
//! with a small trained one.
//!
//! What was recorded lies in `tests/golden` of the workspace; `manifest.json` there tells the versions. The reference
//! itself differs by up to 3.2e-5 between two kinds of x86 processor, so 2e-4 is allowed wherever nothing else is
//! said.

mod autoencoder;
mod cases;
mod damage;
mod draw;
mod enhance;
mod fixture;
mod layouts;
mod needs;
mod noise;
mod preview;
mod reference;
mod runs;
mod schedule;
mod settings;
mod text;
mod tiles;
mod tiny;
mod tokenizer;
mod transformer;
mod weights;
