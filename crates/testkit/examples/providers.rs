//! Serves all stand-ins for providers on this machine.
//!
//! `providers [--port N] [command …]`
//!
//! With a command, it is run with the addresses and keys in its environment, and the servers end with it:
//!
//! ```sh
//! cargo run -p rondel-testkit --features servers --example providers -- rondel run graphs/hosted_with_fallback.ron
//! ```
//!
//! Without one, they are printed in a form that a shell can `source`, and the servers answer until they are ended. `--port` is the first
//! of their ports; without it, they are on ports that are free.

use std::process::{Command, ExitCode};

use rondel_testkit::servers::{Origin, Providers};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let port = if arguments.first().is_some_and(|first| first == "--port") {
        arguments.get(1).and_then(|port| port.parse().ok())
    } else {
        Some(0)
    };
    let is_wrong = port.is_none() || arguments.first().is_some_and(|first| first == "--help");
    let (false, Some(port)) = (is_wrong, port) else {
        eprintln!("usage: providers [--port N] [command …], where N is the first of {} ports", Origin::ALL.len());
        return ExitCode::from(2);
    };
    if arguments.first().is_some_and(|first| first == "--port") {
        arguments.drain(..2);
    }
    let providers = match Providers::start_at(port) {
        Ok(providers) => providers,
        Err(error) => {
            eprintln!("the servers cannot listen: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut variables = providers.environment();
    for origin in Origin::ALL {
        let name = origin.name().to_uppercase().replace('-', "_");
        variables.push((format!("TESTKIT_{name}"), providers.origin(origin)));
    }
    if let Some((program, arguments)) = arguments.split_first() {
        return match Command::new(program).args(arguments).envs(variables).status() {
            Ok(status) => status.code().map_or(ExitCode::FAILURE, |code| ExitCode::from(code as u8)),
            Err(error) => {
                eprintln!("the command cannot be run: {error}: {program}");
                ExitCode::FAILURE
            }
        };
    }
    for (variable, value) in variables {
        println!("export {variable}={value}");
    }
    loop {
        std::thread::park();
    }
}
