//! The program: arguments, exit codes, printing.
//!
//! Data goes to standard output, words to standard error. This is the only part of Rondel that reads the environment.

mod alloc;
mod args;
mod commands;
mod config;
mod folders;
mod hosted;
mod isolation;
mod memory;
mod output;
mod remote;
mod screen;
mod signals;
mod size;
mod words;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

fn main() -> ExitCode {
    alloc::keep_freed_memory();
    let args = args::Args::parse();
    match commands::run(args) {
        Ok(_) if words::is_data_lost() => {
            words::say("error: standard output could not all be written");
            commands::Exit::Failed.into()
        }
        Ok(exit) => exit.into(),
        Err(error) => {
            words::error(&error);
            commands::Exit::Wrong.into()
        }
    }
}
