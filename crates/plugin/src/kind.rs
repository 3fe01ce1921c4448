//! One kind of node, and running it.

#![expect(unsafe_code)]

use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rondel_abi as abi;
use rondel_value::foreign::LentValues;
use rondel_value::{NodeSpec, Value};

use crate::call::{CallHost, FailureKind, NodeFailure};
use crate::estimate::{self, CostFunction, Estimate, FindPart};
use crate::execution::Execution;
#[cfg(target_os = "linux")]
use crate::isolate::Isolated;
use crate::live::LiveCall;
use crate::registry::PluginInfo;

/// The function of a node, as its plugin offers it.
pub(crate) type RunFunction = unsafe extern "C" fn(*const abi::Node, *const abi::Call) -> abi::Status;

/// A node of a plugin that is open.
pub(crate) struct OpenNode {
    node: NonNull<abi::Node>,
    run: RunFunction,
    cost: Option<CostFunction>,
}

// SAFETY: a node lives as long as its plugin, which is never unloaded, and its functions are [any] by contract.
unsafe impl Send for OpenNode {}
// SAFETY: as above.
unsafe impl Sync for OpenNode {}

impl OpenNode {
    /// # Safety
    ///
    /// `node` stays valid for the rest of the process, `run` is its function, and both keep the contract of `rondel.h`.
    pub(crate) unsafe fn new(node: NonNull<abi::Node>, run: RunFunction) -> OpenNode {
        // SAFETY: promised by the caller.
        let cost = unsafe { estimate::cost_function(node) };
        OpenNode { node, run, cost }
    }

    fn run(&self, spec: &NodeSpec, inputs: &[Value], call: &dyn CallHost) -> Result<Vec<Value>, NodeFailure> {
        let lent = LentValues::new(inputs);
        let execution = Execution::new(spec, call);
        let live = LiveCall::new(&execution, &lent);
        // SAFETY: the node and its function live as long as the process; the execution behind the call and the inputs
        // live until `run` has returned, which is as long as the contract lets the plugin use them.
        let status = unsafe { (self.run)(self.node.as_ptr(), live.as_ptr()) };
        drop(live);
        execution.end(status)
    }
}

/// A kind of node that can be run.
pub struct NodeKind {
    spec: Arc<NodeSpec>,
    plugin: Arc<PluginInfo>,
    place: Place,
    /// Which of the plugin's nodes this is.
    index: usize,
    /// Held around `run` if the specification says `serial`. It guards the plugin's own state and no data of ours, so a
    /// poisoned lock means nothing.
    serial: Mutex<()>,
    is_suspect: AtomicBool,
}

/// Where the nodes of a plugin run.
#[derive(Clone)]
pub(crate) enum Place {
    /// In this process: all nodes of the plugin, open or not.
    Here(Arc<dyn Nodes>),
    /// In processes of its own.
    #[cfg(target_os = "linux")]
    Isolated(Arc<Isolated>),
}

/// The nodes of one plugin, in its order.
pub(crate) trait Nodes: Send + Sync {
    /// Opens the plugin if it is not open yet; says why it cannot be opened.
    fn open(&self) -> Result<&[OpenNode], String>;
}

impl Nodes for Vec<OpenNode> {
    fn open(&self) -> Result<&[OpenNode], String> {
        Ok(self)
    }
}

impl NodeKind {
    pub(crate) fn new(spec: Arc<NodeSpec>, plugin: Arc<PluginInfo>, place: Place, index: usize) -> NodeKind {
        NodeKind { spec, plugin, place, index, serial: Mutex::new(()), is_suspect: AtomicBool::new(false) }
    }

    pub fn spec(&self) -> &Arc<NodeSpec> {
        &self.spec
    }

    /// Who offers the kind.
    pub fn plugin(&self) -> &PluginInfo {
        &self.plugin
    }

    /// Whether a run panicked since the kind was loaded: what the plugin keeps between runs may be damaged.
    pub fn is_suspect(&self) -> bool {
        self.is_suspect.load(Ordering::Relaxed)
    }

    /// The node of a plugin in this process, which is open from then on.
    fn open<'a>(&self, nodes: &'a dyn Nodes) -> Result<&'a OpenNode, NodeFailure> {
        match nodes.open() {
            Ok(nodes) => Ok(&nodes[self.index]),
            Err(message) => Err(NodeFailure { kind: FailureKind::Failed, input: None, message }),
        }
    }

    /// Runs the node; blocks until it is done. `[any]`
    ///
    /// Opens its plugin, if nothing did before.
    ///
    /// `inputs` are in the order of the specification and already in the form of their types. The outputs come back in
    /// the order of the specification, checked against their declared types; an optional one that was not set is nothing.
    ///
    /// Panics if the number of inputs is wrong, or after the plugin returned if a function of `call` panicked.
    pub fn run(&self, inputs: &[Value], call: &dyn CallHost) -> Result<Vec<Value>, NodeFailure> {
        let spec = &*self.spec;
        assert_eq!(inputs.len(), spec.inputs.len(), "`{}` is run with one value for each input", spec.kind);
        let _alone = spec.serial.then(|| self.serial.lock().unwrap_or_else(PoisonError::into_inner));
        if spec.serial && call.cancelled() {
            // The wait for another run may have been long.
            let message = "cancelled while another run of this kind was in the way".to_owned();
            return Err(NodeFailure { kind: FailureKind::Cancelled, input: None, message });
        }
        let ended = match &self.place {
            Place::Here(nodes) => self.open(&**nodes)?.run(spec, inputs, call),
            // What a panic damaged there goes with its process.
            #[cfg(target_os = "linux")]
            Place::Isolated(isolated) => return isolated.run(spec, inputs, call),
        };
        if ended.as_ref().is_err_and(|failure| failure.kind == FailureKind::Panicked) {
            self.is_suspect.store(true, Ordering::Relaxed);
        }
        ended
    }
}

impl NodeKind {
    /// Asks what a run with these inputs would need; `None` if the kind cannot say. `[any]`
    ///
    /// `inputs` are as in [`NodeKind::run`], with nothing for those that are not known and stand-ins for those of which only
    /// the shape is. Loads nothing: a kind reads the headers of files at most.
    pub fn estimate(&self, inputs: &[Value], find_part: FindPart<'_>) -> Result<Option<Estimate>, NodeFailure> {
        let spec = &*self.spec;
        assert_eq!(inputs.len(), spec.inputs.len(), "`{}` is asked with one value for each input", spec.kind);
        match &self.place {
            Place::Here(nodes) => {
                let open = self.open(&**nodes)?;
                let Some(cost) = open.cost else { return Ok(None) };
                // SAFETY: the node and its function live as long as the process.
                unsafe { estimate::estimate(spec, (open.node, cost), inputs, find_part) }
            }
            #[cfg(target_os = "linux")]
            Place::Isolated(isolated) => isolated.estimate(spec, inputs, find_part),
        }
    }
}

impl fmt::Debug for NodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKind({} {} of {})", self.spec.kind, self.spec.version, self.plugin.name)
    }
}
