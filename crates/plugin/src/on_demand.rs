//! A plugin that is known and not open yet.
//!
//! Most runs need few of the plugins that are installed. Opening one maps its file and runs code that its maker wrote; so that
//! waits until a step asks for it, and a run whose steps are all known opens none.

#![expect(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rondel_value::Digest;

use crate::error::LoadError;
use crate::facts::Facts;
use crate::host::HostSide;
use crate::kind::{Nodes, OpenNode};
use crate::load;
use crate::registry::Origin;

/// The nodes of a plugin that is opened when the first of them is asked for.
pub(crate) struct OnDemand {
    path: PathBuf,
    digest: Digest,
    facts: Facts,
    copies: PathBuf,
    host: &'static HostSide,
    /// The reason, too, is kept: what failed once is not tried before each step.
    opened: OnceLock<Result<Vec<OpenNode>, String>>,
}

impl OnDemand {
    pub(crate) fn new(path: &Path, digest: Digest, facts: Facts, copies: &Path, host: &'static HostSide) -> OnDemand {
        let (path, copies, opened) = (path.to_owned(), copies.to_owned(), OnceLock::new());
        OnDemand { path, digest, facts, copies, host, opened }
    }

    fn load(&self) -> Result<Vec<OpenNode>, LoadError> {
        let copy = load::copy_of_known(&self.path, &self.digest, &self.copies)?;
        let entry = load::open(&self.path, &copy)?;
        let origin = Origin::File(self.path.clone());
        // SAFETY: what was opened is never closed.
        let loaded = unsafe { load::entry(entry, &origin, self.host) }?;
        match loaded.facts == self.facts {
            true => Ok(loaded.nodes),
            false => Err(LoadError::OtherKinds { plugin: self.facts.name.clone(), origin }),
        }
    }
}

/// The nodes of a plugin that cannot be opened, for this reason.
pub(crate) struct Unusable(pub(crate) String);

impl Nodes for Unusable {
    fn open(&self) -> Result<&[OpenNode], String> {
        Err(self.0.clone())
    }
}

impl Nodes for OnDemand {
    fn open(&self) -> Result<&[OpenNode], String> {
        // Two steps that come at once: one opens, the other waits.
        match self.opened.get_or_init(|| self.load().map_err(|error| error.to_string())) {
            Ok(nodes) => Ok(nodes),
            Err(reason) => Err(reason.clone()),
        }
    }
}
