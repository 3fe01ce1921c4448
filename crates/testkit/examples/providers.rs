//! Serves all stand-ins for providers on this machine until it is ended.
//!
//! `cargo run -p rondel-testkit --features servers --example providers -- --port 4300` prints, for each server, a variable and its
//! address, in a form that a shell can `source`; then it answers. With `--port 0`, or nothing, on ports that are free.

use std::process::ExitCode;

use rondel_testkit::servers::{Origin, Providers};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let port = match arguments[..] {
        [] => Some(0),
        ["--port", port] => port.parse().ok(),
        _ => None,
    };
    let Some(port) = port else {
        eprintln!("usage: providers [--port N], where N is the first of {} ports, or 0", Origin::ALL.len());
        return ExitCode::from(2);
    };
    let providers = match Providers::start_at(port) {
        Ok(providers) => providers,
        Err(error) => {
            eprintln!("the servers cannot listen: {error}");
            return ExitCode::FAILURE;
        }
    };
    for (variable, value) in providers.environment() {
        println!("export {variable}={value}");
    }
    for origin in Origin::ALL {
        let name = origin.name().to_uppercase().replace('-', "_");
        println!("export TESTKIT_{name}={}", providers.origin(origin));
    }
    loop {
        std::thread::park();
    }
}
