//! The remote tier over stores in memory, in a folder, and over some that misbehave.

mod conformance;
mod faulty;
mod honest;
mod machine;
#[cfg(feature = "cloud")]
mod pages;
#[cfg(feature = "cloud")]
mod server;
mod sharing;
mod trouble;
#[cfg(feature = "cloud")]
mod web;
