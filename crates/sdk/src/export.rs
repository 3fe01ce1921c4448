//! The plugin's side of the boundary: entry, factory, and the fence around `run`.
//!
//! [`export_plugin!`](crate::export_plugin) makes a static [`Plugin`] and the one exported symbol. A plugin that is linked
//! in may be registered by several hosts of one process, in tests for example: the host of the latest `init` is the one
//! that counts memory, and any `deinit` lets go of everything kept and of that host, after which nothing is counted until
//! the next `init`. So no host is used after its own `deinit`.

#![expect(unsafe_code)]

use std::cell::RefCell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, Once, OnceLock, PoisonError, RwLock};

use rondel_abi::service::{self, CostDef, Evict, TextSink};
use rondel_abi::{self as abi, Entry, NODE_FACTORY, Status, Str, entry_flags, status};
use rondel_value::{NodeSpec, Value};

use crate::call::Call;
use crate::cx::Cx;
use crate::error::{NodeError, NodeResult};
use crate::estimate::Estimate;
use crate::host::{Host, Reservation};
use crate::memory::MemoryNow;
use crate::node::{Inputs, Outputs, Run, spec};
use crate::warm::Shelf;

/// Makes the crate a plugin with these node kinds: `export_plugin!("acme-glow", [Glow, Halo]);`.
///
/// Defines `ENTRY`, exported as `rondel_entry_<name of the crate>`: two plugins linked into one program must not share a
/// name, and the loader knows it from the file's.
#[macro_export]
macro_rules! export_plugin {
    ($name:literal, [$($node:ty),+ $(,)?]) => {
        /// The entry through which a host finds this plugin's node kinds.
        #[unsafe(export_name = concat!("rondel_entry_", env!("CARGO_CRATE_NAME")))]
        pub static ENTRY: $crate::__private::abi::Entry = {
            static PLUGIN: $crate::export::Plugin =
                $crate::export::Plugin::new(|| vec![$($crate::export::Kind::of::<$node>()),+]);

            unsafe extern "C" fn init(
                host: *const $crate::__private::abi::Host,
                _path: $crate::__private::abi::Str,
            ) -> $crate::__private::abi::Status {
                // SAFETY: the loader hands over a host that lives until `deinit` returns.
                unsafe { PLUGIN.init(host) }
            }

            unsafe extern "C" fn deinit() {
                PLUGIN.deinit();
            }

            unsafe extern "C" fn get_factory(id: $crate::__private::abi::Str) -> *const ::core::ffi::c_void {
                // SAFETY: the id is valid while this call runs.
                unsafe { PLUGIN.factory(id) }
            }

            $crate::export::entry(
                [$name, env!("CARGO_PKG_VERSION"), $crate::export::build()],
                cfg!(panic = "abort"),
                init,
                deinit,
                get_factory,
            )
        };
    };
}

/// What the entry says of how the plugin was built.
pub const fn build() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

/// The exported symbol; `texts` are name, version and build.
pub const fn entry(
    texts: [&'static str; 3],
    aborts_on_panic: bool,
    init: unsafe extern "C" fn(*const abi::Host, Str) -> Status,
    deinit: unsafe extern "C" fn(),
    get_factory: unsafe extern "C" fn(Str) -> *const c_void,
) -> Entry {
    let [name, version, build] = texts;
    Entry {
        struct_size: size_of::<Entry>() as u32,
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        flags: if aborts_on_panic { entry_flags::ABORTS_ON_PANIC } else { 0 },
        name: Str::new(name),
        version: Str::new(version),
        build: Str::new(build),
        init: Some(init),
        deinit: Some(deinit),
        get_factory: Some(get_factory),
    }
}

/// A node kind with its Rust type erased.
pub struct Kind {
    spec: NodeSpec,
    run: fn(&NodeSpec, Vec<Value>, &mut Cx) -> NodeResult<Vec<Value>>,
    cost: fn(&NodeSpec, Vec<Value>, &Cx) -> NodeResult<Option<Estimate>>,
}

impl Kind {
    pub fn of<N: Run>() -> Kind {
        Kind {
            spec: spec::<N>(),
            run: |spec, values, cx| {
                let node = N::take(&mut Inputs::new(spec, values))?;
                Ok(node.run(cx)?.into_values())
            },
            cost: |spec, values, cx| N::cost(&Inputs::new(spec, values), cx),
        }
    }
}

/// All that a plugin is at run time; one static a plugin.
pub struct Plugin {
    kinds: fn() -> Vec<Kind>,
    exported: OnceLock<Exported>,
    /// Read while the host is asked for something, so that `deinit` waits for the answer.
    host: RwLock<Option<Host>>,
    shelves: Mutex<Vec<&'static dyn Shelf>>,
}

/// What the host holds pointers to: made when it first asks, and never moved.
struct Exported {
    factory: Factory,
    nodes: Vec<ExportedNode>,
}

#[repr(C)]
struct Factory {
    head: abi::NodeFactory,
    plugin: &'static Plugin,
}

#[repr(C)]
struct ExportedNode {
    head: abi::Node,
    kind: Kind,
    spec_json: String,
    plugin: &'static Plugin,
}

// SAFETY: made once and only read from then on; the pointers inside lead to parts of itself.
unsafe impl Send for ExportedNode {}
// SAFETY: as above.
unsafe impl Sync for ExportedNode {}

impl Plugin {
    pub const fn new(kinds: fn() -> Vec<Kind>) -> Plugin {
        Plugin { kinds, exported: OnceLock::new(), host: RwLock::new(None), shelves: Mutex::new(Vec::new()) }
    }

    /// Keeps the host; the latest one is used.
    ///
    /// # Safety
    ///
    /// `host` is null, or lives until `deinit` returns.
    pub unsafe fn init(&'static self, host: *const abi::Host) -> Status {
        // SAFETY: promised by the caller.
        let host = unsafe { Host::new(host) };
        *self.host.write().unwrap_or_else(PoisonError::into_inner) = host;
        status::OK
    }

    /// Lets go of the host and of all that was kept.
    pub fn deinit(&self) {
        *self.host.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.clear(true);
    }

    fn clear(&self, patient: bool) {
        let shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for shelf in shelves {
            // A thing that panics while it is dropped must not unwind into the host.
            let _ = catch_unwind(AssertUnwindSafe(|| shelf.clear(patient)));
        }
    }

    pub(crate) fn remember(&self, shelf: &'static dyn Shelf) {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if !shelves.iter().any(|known| std::ptr::addr_eq(*known, shelf)) {
            shelves.push(shelf);
        }
    }

    pub(crate) fn reserve(&self, bytes: u64, name: &str, evict: Option<(Evict, usize)>) -> Reservation {
        match &*self.host.read().unwrap_or_else(PoisonError::into_inner) {
            Some(host) => host.reserve(bytes, name, evict),
            None => Reservation::Uncounted,
        }
    }

    pub(crate) fn memory(&self) -> MemoryNow {
        match &*self.host.read().unwrap_or_else(PoisonError::into_inner) {
            Some(host) => host.memory_now(),
            None => MemoryNow { budget_bytes: None, obtainable_bytes: None },
        }
    }

    /// The factory, if that is what `id` names.
    ///
    /// # Safety
    ///
    /// `id` is valid while this function runs.
    pub unsafe fn factory(&'static self, id: Str) -> *const c_void {
        // SAFETY: promised by the caller.
        if unsafe { id.get() } != Some(NODE_FACTORY) {
            return std::ptr::null();
        }
        match catch_unwind(|| self.exported()) {
            Ok(exported) => (&raw const exported.factory).cast(),
            Err(_) => std::ptr::null(),
        }
    }

    fn exported(&'static self) -> &'static Exported {
        self.exported.get_or_init(|| Exported {
            factory: Factory {
                head: abi::NodeFactory {
                    struct_size: size_of::<abi::NodeFactory>() as u32,
                    reserved: 0,
                    count: Some(count),
                    get: Some(get),
                },
                plugin: self,
            },
            nodes: (self.kinds)().into_iter().map(|kind| ExportedNode::new(kind, self)).collect(),
        })
    }
}

impl ExportedNode {
    fn new(kind: Kind, plugin: &'static Plugin) -> ExportedNode {
        let spec_json = serde_json::to_string(&kind.spec).expect("a specification has a JSON form");
        let head = abi::Node {
            struct_size: size_of::<abi::Node>() as u32,
            reserved: 0,
            plugin_data: std::ptr::null_mut(),
            // The text is on the heap and never changed, so it stays where it is when this struct moves.
            spec_json: Str::new(&spec_json),
            run: Some(run),
            get_extension: Some(node_extension),
        };
        ExportedNode { head, kind, spec_json, plugin }
    }

    fn run(&self, call: Call<'_>) -> Status {
        let outcome = fenced(|| {
            let values = call.inputs().map_err(|error| NodeError::failed(error).context("an input cannot be read"))?;
            (self.kind.run)(&self.kind.spec, values, &mut Cx::of_call(call, self.plugin))
        });
        match outcome {
            Ok(Ok(values)) => match call.set_outputs(&values) {
                Ok(()) => status::OK,
                Err(port) => self.refused(call, port),
            },
            Ok(Err(error)) => self.failed(call, &error),
            Err(panic) => {
                // What was kept may be half changed now, or hold a poisoned lock; it is loaded again.
                self.plugin.clear(false);
                call.fail(None, &panic);
                status::PANICKED
            }
        }
    }
}

impl ExportedNode {
    /// Says what a run would need into `tell`, and nothing if that cannot be said.
    fn cost(&self, call: Call<'_>, tell: impl FnOnce(&str)) -> Status {
        let estimate = fenced(|| {
            let values = call.inputs().map_err(|error| NodeError::failed(error).context("an input cannot be read"))?;
            (self.kind.cost)(&self.kind.spec, values, &Cx::of_call(call, self.plugin))
        });
        match estimate {
            Ok(Ok(None)) => status::OK,
            Ok(Ok(Some(estimate))) => {
                for (name, value) in estimate.outputs() {
                    let port = self.kind.spec.outputs.iter().position(|output| output.name == *name);
                    let Some(port) = port else {
                        return self.failed(call, &NodeError::failed(format!("there is no output `{name}`")));
                    };
                    if call.set_output(port, value).is_none() {
                        return self.refused(call, port);
                    }
                }
                tell(&serde_json::to_string(estimate.cost()).expect("texts and numbers have a JSON form"));
                status::OK
            }
            Ok(Err(error)) => self.failed(call, &error),
            Err(panic) => {
                call.fail(None, &panic);
                status::PANICKED
            }
        }
    }

    fn refused(&self, call: Call<'_>, port: usize) -> Status {
        let name = self.kind.spec.outputs.get(port).map_or("?", |output| output.name.as_str());
        call.fail(None, &format!("the host refused the output `{name}`"));
        status::FAILED
    }

    fn failed(&self, call: Call<'_>, error: &NodeError) -> Status {
        let index = error.port().and_then(|p| self.kind.spec.inputs.iter().position(|input| input.name == p));
        match index {
            Some(_) => call.fail(index, error.message()),
            None => call.fail(None, &error.to_string()),
        }
        error.status()
    }
}

unsafe extern "C" fn count(factory: *const abi::NodeFactory) -> u32 {
    // SAFETY: only ever set on the head of a `Factory`, which is never freed.
    let factory = unsafe { &*factory.cast::<Factory>() };
    factory.plugin.exported().nodes.len() as u32
}

unsafe extern "C" fn get(factory: *const abi::NodeFactory, index: u32) -> *const abi::Node {
    // SAFETY: as in `count`.
    let factory = unsafe { &*factory.cast::<Factory>() };
    match factory.plugin.exported().nodes.get(index as usize) {
        Some(node) => (&raw const *node).cast(),
        None => std::ptr::null(),
    }
}

unsafe extern "C" fn run(node: *const abi::Node, call: *const abi::Call) -> Status {
    // SAFETY: only ever set on the head of an `ExportedNode`, which is never freed; the call lives until this returns.
    unsafe {
        match Call::new(call) {
            Some(call) => (*node.cast::<ExportedNode>()).run(call),
            None => status::FAILED,
        }
    }
}

/// What a kind offers beyond running: its cost.
static COST: CostDef = CostDef { struct_size: size_of::<CostDef>() as u32, reserved: 0, cost: Some(cost) };

unsafe extern "C" fn node_extension(_: *const abi::Node, id: Str) -> *const c_void {
    // SAFETY: the id is valid while this function runs.
    match unsafe { id.get() } {
        Some(service::COST) => (&raw const COST).cast(),
        _ => std::ptr::null(),
    }
}

unsafe extern "C" fn cost(node: *const abi::Node, call: *const abi::Call, sink: TextSink, data: *mut c_void) -> Status {
    // SAFETY: as in `run`; the sink is called before this returns, and takes borrowed text.
    unsafe {
        match Call::new(call) {
            Some(call) => (*node.cast::<ExportedNode>()).cost(call, |json| sink(data, Str::new(json))),
            None => status::FAILED,
        }
    }
}

thread_local! {
    /// Within a fence: what the panic on its way there said, with its place.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static FENCES: RefCell<u32> = const { RefCell::new(0) };
}

/// Runs `work`; a panic becomes its message and place.
///
/// The message is told to the host and hence not printed: the screen belongs to somebody else. Panics outside of a fence go
/// to whatever hook there was.
fn fenced<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match FENCES.with_borrow(|fences| *fences) {
            0 => previous(info),
            _ => PANIC.set(Some(describe(info))),
        }));
    });
    FENCES.with_borrow_mut(|fences| *fences += 1);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    FENCES.with_borrow_mut(|fences| *fences -= 1);
    outcome.map_err(|_| PANIC.take().unwrap_or_else(|| "panicked".to_owned()))
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("something that is no text");
    match info.location() {
        Some(place) => format!("panicked: {message} ({}:{})", place.file(), place.line()),
        None => format!("panicked: {message}"),
    }
}
