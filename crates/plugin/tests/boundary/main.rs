//! Plugins at the boundary, loaded and run as the program does it.

mod c_plugin;
mod check;
mod host;
#[cfg(target_os = "linux")]
mod isolate;
mod load;
mod on_demand;
mod plugin;
mod reload;
mod run;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(target_os = "linux")]
mod sanitized;
