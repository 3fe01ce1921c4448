//! A plugin written directly against the structs of the boundary, with nodes that behave and nodes that do not.

use std::ffi::c_void;
use std::ptr::null;
use std::sync::atomic::{AtomicPtr, Ordering};

use rondel_abi::service::{
    BUILD, BuildService, CHECKPOINT, COST, CheckpointService, CostDef, LOG, LogService, MEMORY, MODELS, MemoryService,
    ModelsService, OUTPUT, OutputService, RUN, RunService, TextSink,
};
use rondel_abi::{
    ABI_MAJOR, ABI_MINOR, Call, Entry, Host, List, NODE_FACTORY, Node, NodeFactory, Payload, Status, Str, Value,
    status, tag,
};

type RunFunction = unsafe extern "C" fn(*const Node, *const Call) -> Status;

/// To be initialised once, because the plugin keeps its host.
pub static ENTRY: Entry = Entry { init: Some(init), ..entry(Str::new("test")) };

/// An entry of the right size and version, without `init`.
pub const fn entry(name: Str) -> Entry {
    Entry {
        struct_size: size_of::<Entry>() as u32,
        abi_major: ABI_MAJOR,
        abi_minor: ABI_MINOR,
        flags: 0,
        name,
        version: Str::new("0.1.0"),
        build: Str::new("test"),
        init: None,
        deinit: None,
        get_factory: Some(get_factory),
    }
}

static HOST: AtomicPtr<Host> = AtomicPtr::new(std::ptr::null_mut());

unsafe extern "C" fn init(host: *const Host, path: Str) -> Status {
    HOST.store(host.cast_mut(), Ordering::SeqCst);
    // SAFETY: the path is valid during this call.
    if unsafe { path.get() } == Some("") { status::OK } else { status::FAILED }
}

unsafe extern "C" fn get_factory(id: Str) -> *const c_void {
    // SAFETY: the id is valid during this call.
    if unsafe { id.get() } == Some(NODE_FACTORY) { (&raw const FACTORY).cast() } else { null() }
}

static FACTORY: NodeFactory =
    NodeFactory { struct_size: size_of::<NodeFactory>() as u32, reserved: 0, count: Some(count), get: Some(get) };

unsafe extern "C" fn count(_: *const NodeFactory) -> u32 {
    NODES.0.len() as u32
}

unsafe extern "C" fn get(_: *const NodeFactory, index: u32) -> *const Node {
    NODES.0.get(index as usize).map_or(null(), |node| node)
}

struct Nodes([Node; 15]);

// SAFETY: nothing in a node is ever written.
unsafe impl Sync for Nodes {}

static NODES: Nodes = Nodes([
    node(
        r#"{"kind": "test.echo", "version": 1,
            "inputs": [{"name": "value", "type": "Text"}, {"name": "image", "type": "Image?"}],
            "outputs": [{"name": "value", "type": "Text"}, {"name": "image", "type": "Image?"}]}"#,
        echo,
    ),
    node(r#"{"kind": "test.count", "version": 1, "inputs": [], "outputs": [{"name": "n", "type": "Int"}]}"#, counts),
    node(r#"{"kind": "test.silent", "version": 1, "inputs": [], "outputs": [{"name": "n", "type": "Int"}]}"#, silent),
    node(
        r#"{"kind": "test.confused", "version": 1,
            "inputs": [{"name": "how", "type": "Text"}], "outputs": [{"name": "n", "type": "Float"}]}"#,
        confused,
    ),
    node(r#"{"kind": "test.panics", "version": 1, "inputs": [], "outputs": [{"name": "n", "type": "Int"}]}"#, panics),
    node(
        r#"{"kind": "test.refuses", "version": 1,
            "inputs": [{"name": "a", "type": "Int"}, {"name": "b", "type": "Int"}],
            "outputs": [{"name": "n", "type": "Int"}]}"#,
        refuses,
    ),
    node(
        r#"{"kind": "test.ends", "version": 1, "inputs": [{"name": "status", "type": "Int"}],
            "outputs": [{"name": "n", "type": "Int?"}]}"#,
        ends,
    ),
    node(
        r#"{"kind": "test.builds", "version": 1, "inputs": [{"name": "wrong", "type": "Bool"}],
            "outputs": [{"name": "image", "type": "Image"}]}"#,
        builds,
    ),
    node(
        r#"{"kind": "test.services", "version": 1, "inputs": [{"name": "part", "type": "Text"}],
            "outputs": [{"name": "heard", "type": "List<Text>"}]}"#,
        services,
    ),
    node(
        r#"{"kind": "test.keeps", "version": 1, "inputs": [{"name": "bytes", "type": "Int"}],
            "outputs": [{"name": "ticket", "type": "Int"}]}"#,
        keeps,
    ),
    node(
        r#"{"kind": "test.troubles", "version": 1, "inputs": [],
            "outputs": [{"name": "n", "type": "Int?"}]}"#,
        troubles,
    ),
    node(
        r#"{"kind": "test.serial", "version": 1, "serial": true, "inputs": [],
            "outputs": [{"name": "was_alone", "type": "Bool"}]}"#,
        serial,
    ),
    node(
        r#"{"kind": "test.previews", "version": 1, "inputs": [{"name": "image", "type": "Tensor"}],
            "outputs": [{"name": "n", "type": "Int?"}]}"#,
        previews,
    ),
    node(
        r#"{"kind": "test.goes_on", "version": 1, "inputs": [{"name": "state", "type": "Tensor"}],
            "outputs": [{"name": "state", "type": "Tensor?"}, {"name": "step", "type": "Int"}]}"#,
        goes_on,
    ),
    Node {
        get_extension: Some(costs_extension),
        ..node(
            r#"{"kind": "test.costs", "version": 1,
                "inputs": [{"name": "size", "type": "Size?"}, {"name": "how", "type": "Text"}],
                "outputs": [{"name": "image", "type": "Image"}, {"name": "n", "type": "Int"}]}"#,
            silent,
        )
    },
]);

const fn node(spec: &'static str, run: RunFunction) -> Node {
    Node {
        struct_size: size_of::<Node>() as u32,
        reserved: 0,
        plugin_data: std::ptr::null_mut(),
        spec_json: Str::new(spec),
        run: Some(run),
        get_extension: None,
    }
}

// SAFETY, for all below: a call, its inputs and its services are valid while `run` runs; the host is for ever.

fn value(tag: u32, payload: Payload) -> Value {
    Value { tag, reserved: 0, payload }
}

fn text(text: &str) -> Value {
    value(tag::TEXT, Payload { text: Str::new(text) })
}

fn int(i: i64) -> Value {
    value(tag::INT, Payload { i })
}

unsafe fn set(call: *const Call, port: u32, value: &Value) -> Status {
    unsafe { (*call).set_output.unwrap()(call, port, value) }
}

unsafe fn input<'a>(call: *const Call, index: usize) -> &'a Value {
    unsafe { &*(*call).inputs.add(index) }
}

unsafe fn fail(call: *const Call, input: i32, message: &str) {
    unsafe { (*call).fail.unwrap()(call, input, Str::new(message)) }
}

unsafe fn of_call<'a, T>(call: *const Call, id: &str) -> &'a T {
    unsafe { &*(*call).get_extension.unwrap()(call, Str::new(id)).cast::<T>() }
}

unsafe fn of_host<'a, T>(id: &str) -> (*const Host, &'a T) {
    let host = HOST.load(Ordering::SeqCst).cast_const();
    unsafe { (host, &*(*host).get_extension.unwrap()(host, Str::new(id)).cast::<T>()) }
}

unsafe extern "C" fn echo(_: *const Node, call: *const Call) -> Status {
    unsafe {
        set(call, 0, &text("replaced by what follows"));
        (0..2).map(|port| set(call, port, input(call, port as usize))).max().unwrap()
    }
}

/// Counts until it is cancelled.
unsafe extern "C" fn counts(_: *const Node, call: *const Call) -> Status {
    unsafe {
        let run: &RunService = of_call(call, RUN);
        for done in 1..1_000_000 {
            if run.cancelled.unwrap()(call) {
                return status::CANCELLED;
            }
            run.progress.unwrap()(call, done, 1_000_000, Str::new("counting"));
        }
        set(call, 0, &int(1_000_000))
    }
}

unsafe extern "C" fn silent(_: *const Node, _: *const Call) -> Status {
    status::OK
}

unsafe extern "C" fn confused(_: *const Node, call: *const Call) -> Status {
    unsafe {
        match input(call, 0).payload.text.get().unwrap() {
            "type" => set(call, 0, &text("three")),
            "tag" => set(call, 0, &value(99, Payload { i: 0 })),
            "null" => (*call).set_output.unwrap()(call, 0, null()),
            "number" => set(call, 0, &value(tag::FLOAT, Payload { f: f64::NAN })),
            "port" => set(call, 7, &int(1)),
            "both" => {
                fail(call, -1, "no luck");
                set(call, 0, &int(1))
            }
            "corrects itself" => {
                set(call, 0, &text("three"));
                set(call, 0, &int(3))
            }
            _ => status::FAILED,
        };
    }
    status::OK
}

unsafe extern "C" fn panics(_: *const Node, call: *const Call) -> Status {
    unsafe { fail(call, -1, "index out of bounds") };
    status::PANICKED
}

unsafe extern "C" fn refuses(_: *const Node, call: *const Call) -> Status {
    unsafe { fail(call, 1, "must be even") };
    status::INVALID_INPUT
}

unsafe extern "C" fn ends(_: *const Node, call: *const Call) -> Status {
    unsafe { input(call, 0).payload.i as Status }
}

/// Builds a 2×1 grey picture from tensors given in the wrong order.
unsafe extern "C" fn builds(_: *const Node, call: *const Call) -> Status {
    unsafe {
        let (host, build) = of_host::<BuildService>(BUILD);
        let (pixels, more) = ([1i64, 2, 1], [0i64]);
        let shape = |name, shape: &[i64]| rondel_abi::Tensor {
            name: Str::new(name),
            dtype_code: 1,
            dtype_bits: 8,
            dtype_lanes: 1,
            device_type: 0,
            device_id: 0,
            ndim: shape.len() as i32,
            shape: shape.as_ptr(),
            strides: null(),
            data: std::ptr::null_mut(),
            byte_offset: 0,
            byte_len: 0,
        };
        let wrong = input(call, 0).tag == tag::BOOL && input(call, 0).payload.b;
        let shapes = [shape("pixels", &pixels), shape(if wrong { "pixels" } else { "more" }, &more)];
        let meta = Str::new(r#"{"by":"test"}"#);
        let bundle = build.bundle.unwrap()(host, Str::new("Image"), meta, shapes.as_ptr(), 2);
        if bundle.is_null() {
            fail(call, -1, "nothing was built");
            return status::FAILED;
        }
        let tensor = &*(*bundle).tensors.add(1);
        assert_eq!(tensor.name.get(), Some("pixels"));
        std::slice::from_raw_parts_mut(tensor.data.cast::<u8>(), 2)[1] = 7;
        set(call, 0, &value(tag::BUNDLE, Payload { bundle }));
        (*bundle).release.unwrap()(bundle);
    }
    status::OK
}

/// Says all that it hears from the services of a call.
unsafe extern "C" fn services(_: *const Node, call: *const Call) -> Status {
    unsafe extern "C" fn hear(data: *mut c_void, text: Str) {
        unsafe { (*data.cast::<Vec<String>>()).push(text.get().unwrap().to_owned()) }
    }
    unsafe {
        let mut heard: Vec<String> = Vec::new();
        let data = (&raw mut heard).cast();
        let model = Str::new(r#"{"family": "Flux2", "name": "klein", "parts": {}}"#);
        let part = input(call, 0).payload.text;
        let ended = of_call::<ModelsService>(call, MODELS).part.unwrap()(call, model, part, hear, data);
        if ended != status::OK {
            fail(call, -1, &heard.join(" and "));
            return ended;
        }
        let output: &OutputService = of_call(call, OUTPUT);
        output.folder.unwrap()(call, hear, data);
        output.provenance.unwrap()(call, hear, data);
        of_call::<LogService>(call, LOG).log.unwrap()(call, 2, Str::new("beware"));
        assert!((*call).get_extension.unwrap()(call, Str::new("rondel.nothing/1")).is_null());
        let items: Vec<Value> = heard.iter().map(|words| text(words)).collect();
        let list = List { items: items.as_ptr(), len: items.len() as u64 };
        set(call, 0, &value(tag::LIST, Payload { list }));
        ended
    }
}

/// Takes up where an earlier call stopped, and leaves a checkpoint one step further.
unsafe extern "C" fn goes_on(_: *const Node, call: *const Call) -> Status {
    unsafe {
        let checkpoint: &CheckpointService = of_call(call, CHECKPOINT);
        let mut step = 0;
        let state = checkpoint.latest.unwrap()(call, &mut step);
        checkpoint.put.unwrap()(call, step + 1, input(call, 0).payload.bundle);
        if !state.is_null() {
            set(call, 0, &value(tag::BUNDLE, Payload { bundle: state }));
            (*state).release.unwrap()(state);
        }
        set(call, 1, &int(step as i64))
    }
}

unsafe extern "C" fn costs_extension(_: *const Node, id: Str) -> *const c_void {
    static COSTS: CostDef = CostDef { struct_size: size_of::<CostDef>() as u32, reserved: 0, cost: Some(costs) };
    unsafe { if id.get() == Some(COST) { (&raw const COSTS).cast() } else { null() } }
}

/// Needs three bytes a pixel, and says what its picture will look like.
unsafe extern "C" fn costs(node: *const Node, call: *const Call, sink: TextSink, data: *mut c_void) -> Status {
    unsafe {
        assert!((*call).get_extension.unwrap()(call, Str::new(RUN)).is_null(), "this is no run");
        assert!(!(*call).get_extension.unwrap()(call, Str::new(MODELS)).is_null());
        let size = input(call, 0);
        match input(call, 1).payload.text.get().unwrap() {
            "silently" => return status::OK,
            "in words" => sink(data, Str::new("a lot")),
            "not" => {
                fail(call, -1, "no such file");
                return status::FAILED;
            }
            _ if size.tag == tag::NONE => sink(data, Str::new(r#"{"parts": []}"#)),
            _ => {
                let [width, height] = size.payload.pair;
                let bytes = width * height * 3;
                let json = format!(r#"{{"parts": [{{"name": "pixels", "bytes": {bytes}}}], "streamed_bytes": 3}}"#);
                sink(data, Str::new(&json));
                return builds(node, call);
            }
        }
        status::OK
    }
}

/// Keeps some bytes that it gives back whenever it is asked; a negative number of them it works in and frees at the end.
unsafe extern "C" fn keeps(_: *const Node, call: *const Call) -> Status {
    unsafe extern "C" fn evict(_: *mut c_void) -> bool {
        true
    }
    unsafe {
        let (host, memory) = of_host::<MemoryService>(MEMORY);
        let bytes = input(call, 0).payload.i;
        let name = format!("{} bytes", bytes.abs());
        let is_scratch = bytes < 0;
        let evict = (!is_scratch).then_some(evict as _);
        let name = Str::new(&name);
        let ticket = memory.reserve.unwrap()(host, bytes.unsigned_abs(), name, evict, std::ptr::null_mut());
        memory.touch.unwrap()(host, ticket);
        if is_scratch {
            // All that is not worked in could be had.
            let left = memory.budget.unwrap()(host) - memory.obtainable.unwrap()(host);
            memory.free.unwrap()(host, ticket);
            return set(call, 0, &int(left as i64));
        }
        set(call, 0, &int(ticket as i64))
    }
}

/// Makes the host panic, and returns as if nothing had been.
unsafe extern "C" fn troubles(_: *const Node, call: *const Call) -> Status {
    unsafe {
        let run: &RunService = of_call(call, RUN);
        run.progress.unwrap()(call, 0, 0, Str::new("make the host panic"));
    }
    status::OK
}

/// Finds out whether another call of it runs at the same time.
unsafe extern "C" fn serial(_: *const Node, call: *const Call) -> Status {
    static INSIDE: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let before = INSIDE.fetch_add(1, Ordering::SeqCst);
    for _ in 0..1000 {
        std::thread::yield_now();
    }
    let after = INSIDE.fetch_sub(1, Ordering::SeqCst);
    unsafe { set(call, 0, &value(tag::BOOL, Payload { b: before == 0 && after == 1 })) }
}

/// Shows its input, which is no picture, as a preview.
unsafe extern "C" fn previews(_: *const Node, call: *const Call) -> Status {
    unsafe { of_call::<RunService>(call, RUN).preview.unwrap()(call, input(call, 0).payload.bundle) };
    status::OK
}
