//! All kinds that can be used, by name.

#![expect(unsafe_code)]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rondel_abi::Entry;
use rondel_value::Digest;

use crate::error::LoadError;
use crate::facts::Facts;
use crate::host::HostSide;
#[cfg(target_os = "linux")]
use crate::isolate::{Isolated, Isolation};
use crate::kind::{NodeKind, Place};
use crate::load::{self, Deinit};
use crate::on_demand::{OnDemand, Unusable};
use crate::services::memory::Memory;

/// What the host says of itself to plugins, and how much it lets them keep.
#[derive(Clone, Debug, Default)]
pub struct HostOptions {
    pub name: String,
    pub version: String,
    /// How many bytes plugins may keep between runs, all together; without one there is no limit.
    pub memory_budget_bytes: Option<u64>,
    /// Called when plugins gave memory back because it was short, to hand it on to the system.
    pub after_eviction: Option<fn()>,
}

/// All kinds that can be used.
///
/// Built once at the start, then shared. Specifications are there when a plugin is added, not when a kind is first used: every
/// mistake is then found by whoever installs the plugin. The plugin itself need not be open by then, if its [`Facts`] are known.
pub struct Registry {
    host: &'static HostSide,
    kinds: BTreeMap<String, Arc<NodeKind>>,
    plugins: Vec<Arc<PluginInfo>>,
    /// How plugins that were opened here put away what they have.
    deinits: Vec<Deinit>,
}

/// A plugin that was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginInfo {
    pub name: String,
    pub version: String,
    pub origin: Origin,
    /// Of the file; none if the plugin is linked in.
    pub digest: Option<Digest>,
    /// In the plugin's order.
    pub kinds: Vec<String>,
    /// A panic in this plugin ends the process.
    pub aborts_on_panic: bool,
    /// It runs in processes of its own.
    pub is_isolated: bool,
}

/// Where a plugin comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Linked into the program.
    Builtin,
    /// The shared object that was asked for, not its copy.
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Builtin => f.write_str("built in"),
            Origin::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Registry {
    pub fn new(options: HostOptions) -> Registry {
        let memory = Memory::new(options.memory_budget_bytes, options.after_eviction);
        Registry {
            host: HostSide::leak(options, memory),
            kinds: BTreeMap::new(),
            plugins: Vec::new(),
            deinits: Vec::new(),
        }
    }

    /// A registry of a child, whose memory is counted by the program.
    #[cfg(target_os = "linux")]
    pub(crate) fn below(options: HostOptions, above: Arc<dyn crate::services::memory::Above>) -> Registry {
        let memory = Memory::below(above, options.after_eviction);
        Registry {
            host: HostSide::leak(options, memory),
            kinds: BTreeMap::new(),
            plugins: Vec::new(),
            deinits: Vec::new(),
        }
    }

    /// Registers a plugin that is linked in.
    ///
    /// Its `init` runs once for each registry that it is added to.
    pub fn add_static(&mut self, entry: &'static Entry) -> Result<(), LoadError> {
        // SAFETY: the entry is a static.
        let loaded = unsafe { load::entry(entry, &Origin::Builtin, self.host) }?;
        self.register(loaded.facts, Origin::Builtin, None, Place::Here(Arc::new(loaded.nodes)))
    }

    /// Opens the shared object at `path`, by way of a copy in the folder `copies` that is named by its content.
    ///
    /// A file with the very content of one that is there already is passed over.
    pub fn add_file(&mut self, path: &Path, copies: &Path) -> Result<(), LoadError> {
        let file = load::SharedObject::read(path)?;
        if self.has(file.digest()) {
            return Ok(());
        }
        self.add_copy(path, &file.copy_into(copies)?, file.digest())
    }

    /// Opens a copy of the shared object at `path`, made by [`load::place`], and takes the caller's word for its digest.
    pub fn add_copy(&mut self, path: &Path, copy: &Path, digest: Digest) -> Result<(), LoadError> {
        let entry = load::open(path, copy)?;
        let origin = Origin::File(path.to_owned());
        // SAFETY: what was opened is never closed.
        let loaded = unsafe { load::entry(entry, &origin, self.host) }?;
        self.deinits.extend(loaded.deinit);
        self.register(loaded.facts, origin, Some(digest), Place::Here(Arc::new(loaded.nodes)))
    }

    /// Has every plugin that was opened by [`Registry::add_copy`] put away what it has.
    ///
    /// # Safety
    ///
    /// No run is under way, no bundle of such a plugin is alive, and none of them is used any more.
    #[cfg(target_os = "linux")]
    pub(crate) unsafe fn deinit(&mut self) {
        // SAFETY: promised by the caller.
        self.deinits.drain(..).for_each(|deinit| unsafe { deinit() });
    }

    /// Registers the kinds of a shared object by what is known of its content, `digest`. It is opened, as by
    /// [`Registry::add_file`], when one of them is run or asked for its cost; if it cannot be, or says something else by then,
    /// that run fails.
    pub fn add_known(&mut self, path: &Path, digest: Digest, facts: Facts, copies: &Path) -> Result<(), LoadError> {
        if self.has(digest) {
            return Ok(());
        }
        let nodes = OnDemand::new(path, digest, facts.clone(), copies, self.host);
        self.register(facts, Origin::File(path.to_owned()), Some(digest), Place::Here(Arc::new(nodes)))
    }

    /// Registers kinds that nobody can run any more, by what is known of them: a graph with them can be checked and planned, and
    /// what they made before is still what they would make. Each of their runs fails with `reason`.
    pub fn add_unusable(&mut self, path: &Path, facts: Facts, reason: String) -> Result<(), LoadError> {
        self.register(facts, Origin::File(path.to_owned()), None, Place::Here(Arc::new(Unusable(reason))))
    }

    /// As [`Registry::add_known`], but the plugin runs in processes of its own, and nothing of it in this one.
    #[cfg(target_os = "linux")]
    pub fn add_isolated(
        &mut self,
        path: &Path,
        digest: Digest,
        facts: Facts,
        copies: &Path,
        isolation: &Isolation,
    ) -> Result<(), LoadError> {
        if self.has(digest) {
            return Ok(());
        }
        let isolated = Isolated::new(path, digest, facts.clone(), copies, isolation.clone(), self.host);
        self.register(facts, Origin::File(path.to_owned()), Some(digest), Place::Isolated(Arc::new(isolated)))
    }

    fn has(&self, digest: Digest) -> bool {
        self.plugins.iter().any(|plugin| plugin.digest == Some(digest))
    }

    /// Adds every shared object of a folder, in the order of their names.
    ///
    /// One that does not load is an error in the list and does not stop the others. A missing folder is no error.
    pub fn add_folder(&mut self, folder: &Path, copies: &Path) -> Vec<LoadError> {
        match load::shared_objects_in(folder) {
            Ok(files) => files.iter().filter_map(|file| self.add_file(file, copies).err()).collect(),
            Err(error) => vec![error],
        }
    }

    pub fn kind(&self, name: &str) -> Option<&Arc<NodeKind>> {
        self.kinds.get(name)
    }

    /// Every kind, sorted by name.
    pub fn kinds(&self) -> impl Iterator<Item = &Arc<NodeKind>> {
        self.kinds.values()
    }

    /// Every plugin, in the order of their registration.
    pub fn plugins(&self) -> &[Arc<PluginInfo>] {
        &self.plugins
    }

    /// What plugins keep between runs.
    pub fn memory(&self) -> &Memory {
        self.host.memory()
    }

    /// How many bundles that plugins had built by this host are alive.
    pub fn built_bundles_alive(&self) -> usize {
        self.host.built_bundles_alive()
    }

    /// What a plugin says of itself.
    pub fn facts(&self, plugin: &PluginInfo) -> Facts {
        let kinds = plugin.kinds.iter().map(|kind| self.kinds[kind].spec().clone()).collect();
        let PluginInfo { name, version, aborts_on_panic, .. } = plugin.clone();
        Facts { name, version, aborts_on_panic, kinds }
    }

    /// A registry with the host and the built-in plugins of this one, for plugins that are looked for anew.
    pub fn renewed(&self) -> Registry {
        let mut renewed =
            Registry { host: self.host, kinds: BTreeMap::new(), plugins: Vec::new(), deinits: Vec::new() };
        for plugin in self.plugins.iter().filter(|plugin| plugin.origin == Origin::Builtin) {
            renewed.add_again(self, plugin).expect("they fitted beside each other before");
        }
        renewed
    }

    /// Takes over a plugin of a registry with the same host, with all that it keeps.
    pub fn add_again(&mut self, other: &Registry, plugin: &Arc<PluginInfo>) -> Result<(), LoadError> {
        assert!(std::ptr::eq(self.host, other.host), "a plugin knows one host");
        let kinds = plugin.kinds.iter().map(|kind| other.kinds[kind].clone()).collect();
        self.insert(plugin.clone(), kinds)
    }

    fn register(
        &mut self,
        facts: Facts,
        origin: Origin,
        digest: Option<Digest>,
        place: Place,
    ) -> Result<(), LoadError> {
        let Facts { name, version, aborts_on_panic, kinds: specs } = facts;
        let kinds = specs.iter().map(|spec| spec.kind.clone()).collect();
        let is_isolated = !matches!(place, Place::Here(_));
        let plugin = Arc::new(PluginInfo { name, version, origin, digest, kinds, aborts_on_panic, is_isolated });
        let kind = |(index, spec)| Arc::new(NodeKind::new(spec, plugin.clone(), place.clone(), index));
        let kinds = specs.into_iter().enumerate().map(kind).collect();
        self.insert(plugin, kinds)
    }

    /// Takes over the kinds of a plugin, all or none.
    fn insert(&mut self, plugin: Arc<PluginInfo>, of_plugin: Vec<Arc<NodeKind>>) -> Result<(), LoadError> {
        let mut kinds = BTreeMap::new();
        for kind in of_plugin {
            let name = kind.spec().kind.clone();
            let by = self.kinds.get(&name).map(|kind| kind.plugin());
            match kinds.entry(name) {
                Slot::Vacant(slot) if by.is_none() => drop(slot.insert(kind)),
                slot => {
                    let by = by.unwrap_or(&plugin);
                    return Err(LoadError::KindTaken {
                        kind: slot.key().clone(),
                        plugin: plugin.name.clone(),
                        origin: plugin.origin.clone(),
                        by: by.name.clone(),
                        by_origin: by.origin.clone(),
                    });
                }
            }
        }
        self.kinds.append(&mut kinds);
        self.plugins.push(plugin);
        Ok(())
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.kinds.iter().map(|(name, kind)| (name, &kind.plugin().name))).finish()
    }
}
