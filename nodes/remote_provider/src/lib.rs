//! Pictures from models that others run.
//!
//! - [`remote_provider`]: text to image and edit, at whoever offers the model

pub mod remote_provider;

rondel_sdk::export_plugin!("remote-provider", [remote_provider::RemoteProvider]);
