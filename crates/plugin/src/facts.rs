//! What is known of a plugin without opening it: its name and the specifications of its kinds.
//!
//! They depend on the content of its file alone. So whoever remembers them by that need not open the file before one of the
//! kinds is run; see [`Registry::add_known`](crate::Registry::add_known).

use std::sync::Arc;

use rondel_value::NodeSpec;
use serde::{Deserialize, Serialize};

/// What a plugin says of itself, beside what it can do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub name: String,
    pub version: String,
    /// A panic in this plugin ends the process.
    #[serde(default)]
    pub aborts_on_panic: bool,
    /// In the plugin's order.
    pub kinds: Vec<Arc<NodeSpec>>,
}
