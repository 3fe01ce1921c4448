//! Plugins at the boundary, loaded and run as the program does it.

mod c_plugin;
mod host;
mod load;
mod on_demand;
mod plugin;
mod run;
#[cfg(target_os = "linux")]
mod sanitized;
