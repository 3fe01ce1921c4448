//! A host of a few lines: it writes down what a plugin tells it.

use std::ffi::c_void;
use std::sync::Mutex;

use rondel_abi::service::{
    self, CheckpointService, CostDef, LogService, MemoryService, ModelsService, OutputService, RunService, TextSink,
};
use rondel_abi::{self as abi, Call, Entry, Host, NODE_FACTORY, NodeFactory, Status, Str, status};
use rondel_value::foreign::{LentValues, Share, import_bundle, import_value};
use rondel_value::{Bundle, Value};

/// Bytes that are never counted in one piece.
const REFUSED_FROM: u64 = 1000;

/// First the head, so that a pointer to one is a pointer to the other.
#[repr(C)]
pub struct FakeHost {
    head: Host,
    entry: &'static Entry,
    told: Mutex<Vec<String>>,
    reports_left: Mutex<Option<u32>>,
    /// What an eviction is called with, by ticket from 1. The number stands for a pointer that is never read.
    kept: Mutex<Vec<(Option<service::Evict>, usize)>>,
    checkpoint: Mutex<Option<(u64, Bundle)>>,
}

impl FakeHost {
    /// A host that the plugin is not told of.
    pub fn without_init(entry: &'static Entry) -> &'static FakeHost {
        // Left to the process, as hosts are: a plugin keeps the pointer.
        Box::leak(Box::new(FakeHost {
            head: Host {
                struct_size: size_of::<Host>() as u32,
                abi_major: abi::ABI_MAJOR,
                abi_minor: abi::ABI_MINOR,
                host_data: std::ptr::null_mut(),
                name: Str::new("fake"),
                version: Str::new("1"),
                get_extension: Some(host_extension),
            },
            entry,
            told: Mutex::default(),
            reports_left: Mutex::default(),
            kept: Mutex::default(),
            checkpoint: Mutex::default(),
        }))
    }

    pub fn init(entry: &'static Entry) -> &'static FakeHost {
        let host = FakeHost::without_init(entry);
        // SAFETY: the host is never freed.
        let status = unsafe { entry.init.unwrap()((&raw const *host).cast(), Str::new("")) };
        assert_eq!(status, status::OK);
        host
    }

    pub fn deinit(&self) {
        // SAFETY: no call is in flight.
        unsafe { self.entry.deinit.unwrap()() }
    }

    pub fn cancel_after(&self, reports: u32) {
        *self.reports_left.lock().unwrap() = Some(reports);
    }

    pub fn factory(&self, id: &str) -> *const NodeFactory {
        // SAFETY: the id is valid during the call.
        unsafe { self.entry.get_factory.unwrap()(Str::new(id)) }.cast()
    }

    pub fn kinds(&self) -> Vec<String> {
        let factory = self.factory(NODE_FACTORY);
        // SAFETY: factory and nodes live as long as the plugin, which is this program.
        unsafe {
            let get = |index| (*factory).get.unwrap()(factory, index);
            let n = (*factory).count.unwrap()(factory);
            assert!(get(n).is_null());
            (0..n).map(|index| kind_of((*get(index)).spec_json.get().unwrap())).collect()
        }
    }

    /// Runs a kind and returns all it told, one line each; the last is how it ended.
    pub fn run(&self, kind: usize, inputs: &[Value]) -> String {
        // SAFETY: as in `kinds`; the call lives until `run` returns.
        self.call(kind, inputs, |node, call| unsafe { (*node).run.unwrap()(node, call) })
    }

    /// Asks a kind for its cost and returns all it told, one line each; the last is how it ended.
    pub fn cost(&self, kind: usize, inputs: &[Value]) -> String {
        unsafe extern "C" fn hear(data: *mut c_void, json: Str) {
            // SAFETY: `data` is this host.
            unsafe { &*data.cast::<FakeHost>() }.tell(format!("cost {}", text(json)));
        }
        let data = (&raw const *self).cast_mut().cast();
        // SAFETY: as in `run`.
        self.call(kind, inputs, |node, call| unsafe {
            let offered: *const CostDef = (*node).get_extension.unwrap()(node, Str::new(service::COST)).cast();
            (*offered).cost.unwrap()(node, call, hear, data)
        })
    }

    fn call(
        &self,
        kind: usize,
        inputs: &[Value],
        enter: impl FnOnce(*const abi::Node, *const Call) -> Status,
    ) -> String {
        let before = self.told.lock().unwrap().len();
        let lent = LentValues::new(inputs);
        let call = Call {
            struct_size: size_of::<Call>() as u32,
            reserved: 0,
            host_data: (&raw const *self).cast_mut().cast(),
            inputs: lent.as_ptr(),
            n_inputs: lent.len() as u64,
            set_output: Some(set_output),
            fail: Some(fail),
            get_extension: Some(call_extension),
        };
        let factory = self.factory(NODE_FACTORY);
        // SAFETY: as in `kinds`.
        let node = unsafe { (*factory).get.unwrap()(factory, kind as u32) };
        let status = enter(node, &call);
        let failed = self.reason(before);
        match failed {
            Some(reason) => self.tell(format!("status {status}: {reason}")),
            None => self.tell(format!("status {status}")),
        }
        self.told.lock().unwrap()[before..].join("\n")
    }

    /// Takes the reason of a failure out of what was told.
    fn reason(&self, from: usize) -> Option<String> {
        let mut told = self.told.lock().unwrap();
        let at = told[from..].iter().position(|line| line.starts_with("fail "))?;
        Some(told.remove(from + at)["fail ".len()..].to_owned())
    }

    /// Asks for the bytes of a ticket back.
    pub fn evict(&self, ticket: usize) {
        let (evict, data) = self.kept.lock().unwrap()[ticket - 1];
        // SAFETY: what the plugin gave with `reserve`.
        let evicted = unsafe { evict.expect("not scratch")(std::ptr::without_provenance_mut(data)) };
        self.tell(format!("evict {ticket}: {evicted}"));
    }

    pub fn told(&self) -> String {
        self.told.lock().unwrap().join("\n")
    }

    fn tell(&self, line: String) {
        self.told.lock().unwrap().push(line);
    }
}

pub fn exported_name(entry: &Entry) -> &str {
    // SAFETY: the name of an entry is static.
    unsafe { entry.name.get() }.unwrap()
}

fn kind_of(spec_json: &str) -> String {
    let spec: rondel_value::NodeSpec = serde_json::from_str(spec_json).unwrap();
    spec.kind
}

fn host_of<'a>(call: *const Call) -> &'a FakeHost {
    // SAFETY: only ever calls made by `run` come back here.
    unsafe { &*(*call).host_data.cast::<FakeHost>() }
}

fn text<'a>(text: Str) -> &'a str {
    // SAFETY: used up before the call that passed it returns.
    unsafe { text.get() }.unwrap()
}

unsafe extern "C" fn set_output(call: *const Call, port: u32, value: *const abi::Value) -> Status {
    // SAFETY: the plugin lends the value for the time of this call.
    let value = unsafe { import_value(&*value) }.unwrap();
    host_of(call).tell(format!("output {port}: {}", value.display(200)));
    status::OK
}

unsafe extern "C" fn fail(call: *const Call, input: i32, message: Str) {
    let at = if input >= 0 { format!("input {input}: ") } else { String::new() };
    host_of(call).tell(format!("fail {at}{}", text(message)));
}

unsafe extern "C" fn cancelled(call: *const Call) -> bool {
    *host_of(call).reports_left.lock().unwrap() == Some(0)
}

unsafe extern "C" fn progress(call: *const Call, done: u64, total: u64, note: Str) {
    let host = host_of(call);
    host.tell(format!("progress {done}/{total} {}", text(note)));
    if let Some(left) = &mut *host.reports_left.lock().unwrap() {
        *left = left.saturating_sub(1);
    }
}

unsafe extern "C" fn preview(call: *const Call, image: *const abi::Bundle) {
    // SAFETY: the plugin lends the bundle for the time of this call.
    let image = unsafe { import_bundle(image) }.unwrap();
    host_of(call).tell(format!("preview {image:?}"));
}

unsafe extern "C" fn log(call: *const Call, level: u32, words: Str) {
    host_of(call).tell(format!("log {level} {}", text(words)));
}

unsafe extern "C" fn part(_: *const Call, model: Str, part: Str, sink: TextSink, data: *mut c_void) -> Status {
    let (answers, status) = match text(part) {
        "lost" => (vec![format!("no part `lost` in {}", text(model))], status::TRANSIENT),
        part => (vec![format!("{part}-1.bin"), format!("{part}-2.bin")], status::OK),
    };
    for answer in answers {
        // SAFETY: the sink reads the text during the call.
        unsafe { sink(data, Str::new(&answer)) }
    }
    status
}

unsafe extern "C" fn folder(_: *const Call, sink: TextSink, data: *mut c_void) {
    // SAFETY: as in `part`.
    unsafe { sink(data, Str::new("out")) }
}

unsafe extern "C" fn provenance(_: *const Call, sink: TextSink, data: *mut c_void) {
    // SAFETY: as in `part`.
    unsafe { sink(data, Str::new(r#"{"graph":"t"}"#)) }
}

unsafe extern "C" fn reserve(
    host: *const Host,
    bytes: u64,
    name: Str,
    evict: Option<service::Evict>,
    data: *mut c_void,
) -> u64 {
    // SAFETY: only ever the head of a `FakeHost` is handed out.
    let host = unsafe { &*host.cast::<FakeHost>() };
    if bytes >= REFUSED_FROM {
        host.tell(format!("refuse {bytes} for {}", text(name)));
        return 0;
    }
    let mut kept = host.kept.lock().unwrap();
    kept.push((evict, data.addr()));
    host.tell(format!("reserve {bytes} for {}: {}", text(name), kept.len()));
    kept.len() as u64
}

unsafe extern "C" fn touch(host: *const Host, ticket: u64) {
    // SAFETY: as in `reserve`.
    unsafe { &*host.cast::<FakeHost>() }.tell(format!("touch {ticket}"));
}

unsafe extern "C" fn free(host: *const Host, ticket: u64) {
    // SAFETY: as in `reserve`.
    unsafe { &*host.cast::<FakeHost>() }.tell(format!("free {ticket}"));
}

unsafe extern "C" fn budget(_: *const Host) -> u64 {
    REFUSED_FROM - 1
}

unsafe extern "C" fn obtainable(_: *const Host) -> u64 {
    REFUSED_FROM - 100
}

unsafe extern "C" fn preview_wanted(_: *const Call) -> bool {
    true
}

unsafe extern "C" fn put(call: *const Call, step: u64, state: *const abi::Bundle) {
    // SAFETY: the plugin lends the bundle for the time of this call.
    let state = unsafe { import_bundle(state) }.unwrap();
    let host = host_of(call);
    host.tell(format!("checkpoint {step} {state:?}"));
    *host.checkpoint.lock().unwrap() = Some((step, state));
}

unsafe extern "C" fn latest(call: *const Call, step: *mut u64) -> *const abi::Bundle {
    let kept = host_of(call).checkpoint.lock().unwrap().clone();
    let Some((at, state)) = kept else { return std::ptr::null() };
    // SAFETY: the plugin gives a place for the number.
    unsafe { *step = at };
    Share::lend(&state).into_raw()
}

static RUN: RunService = RunService {
    struct_size: size_of::<RunService>() as u32,
    reserved: 0,
    cancelled: Some(cancelled),
    progress: Some(progress),
    preview: Some(preview),
    preview_wanted: Some(preview_wanted),
};
static CHECKPOINT: CheckpointService = CheckpointService {
    struct_size: size_of::<CheckpointService>() as u32,
    reserved: 0,
    put: Some(put),
    latest: Some(latest),
};
static LOG: LogService = LogService { struct_size: size_of::<LogService>() as u32, reserved: 0, log: Some(log) };
static MODELS: ModelsService =
    ModelsService { struct_size: size_of::<ModelsService>() as u32, reserved: 0, part: Some(part) };
static OUTPUT: OutputService = OutputService {
    struct_size: size_of::<OutputService>() as u32,
    reserved: 0,
    folder: Some(folder),
    provenance: Some(provenance),
};
static MEMORY: MemoryService = MemoryService {
    struct_size: size_of::<MemoryService>() as u32,
    reserved: 0,
    reserve: Some(reserve),
    touch: Some(touch),
    free: Some(free),
    budget: Some(budget),
    obtainable: Some(obtainable),
};

unsafe extern "C" fn call_extension(_: *const Call, id: Str) -> *const c_void {
    match text(id) {
        service::RUN => (&raw const RUN).cast(),
        service::LOG => (&raw const LOG).cast(),
        service::MODELS => (&raw const MODELS).cast(),
        service::OUTPUT => (&raw const OUTPUT).cast(),
        service::CHECKPOINT => (&raw const CHECKPOINT).cast(),
        _ => std::ptr::null(),
    }
}

unsafe extern "C" fn host_extension(_: *const Host, id: Str) -> *const c_void {
    match text(id) {
        service::MEMORY => (&raw const MEMORY).cast(),
        _ => std::ptr::null(),
    }
}
