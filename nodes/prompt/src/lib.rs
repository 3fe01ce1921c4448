//! Text kinds: [`prompt`], [`template`], [`enhance`].

pub mod enhance;
pub mod prompt;
pub mod template;

use rondel_sdk::export_plugin;

export_plugin!("node-prompt", [prompt::Prompt, template::Template, enhance::Enhance]);
