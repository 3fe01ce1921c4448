//! Plugins that are not loaded, and what is said about each of them.

use std::ffi::c_void;
use std::path::Path;
use std::ptr::null;

use rondel_abi::{Call, Entry, Node, NodeFactory, Status, Str, entry_flags, status};
use rondel_plugin::Origin;

use crate::host::registry;
use crate::plugin;

/// Adds an entry to an empty registry and compares what is said.
fn refused(entry: Entry, expected: &str) {
    let error = registry().add_static(Box::leak(Box::new(entry))).unwrap_err();
    assert_eq!(error.to_string(), format!("{expected}: built in"));
}

fn good() -> Entry {
    plugin::entry(Str::new("test"))
}

/// An entry with one kind of this specification.
macro_rules! with_node {
    ($node:expr) => {{
        struct Shared(Node);
        // SAFETY: nothing in a node is ever written.
        unsafe impl Sync for Shared {}
        static NODE: Shared = Shared($node);
        static FACTORY: NodeFactory =
            NodeFactory { struct_size: size_of::<NodeFactory>() as u32, reserved: 0, count: Some(one), get: Some(get) };
        unsafe extern "C" fn get(_: *const NodeFactory, _: u32) -> *const Node {
            &NODE.0
        }
        unsafe extern "C" fn get_factory(_: Str) -> *const c_void {
            (&raw const FACTORY).cast()
        }
        Entry { get_factory: Some(get_factory), ..good() }
    }};
}

const fn node(spec: &'static str) -> Node {
    Node {
        struct_size: size_of::<Node>() as u32,
        reserved: 0,
        plugin_data: std::ptr::null_mut(),
        spec_json: Str::new(spec),
        run: Some(run),
        get_extension: None,
    }
}

unsafe extern "C" fn one(_: *const NodeFactory) -> u32 {
    1
}

unsafe extern "C" fn run(_: *const Node, _: *const Call) -> Status {
    status::OK
}

#[test]
fn a_good_plugin_is_listed_with_its_kinds() {
    let mut registry = registry();
    registry.add_static(Box::leak(Box::new(good()))).unwrap();
    let plugin = &registry.plugins()[0];
    assert_eq!((&plugin.name[..], &plugin.version[..], &plugin.origin), ("test", "0.1.0", &Origin::Builtin));
    assert_eq!((plugin.digest, plugin.aborts_on_panic), (None, false));
    assert_eq!(plugin.kinds[..2], ["test.echo", "test.count"]);
    let names: Vec<_> = registry.kinds().map(|kind| kind.spec().kind.clone()).collect();
    assert!(names.is_sorted() && names.len() == plugin.kinds.len(), "{names:?}");
    assert_eq!(registry.kind("test.echo").unwrap().plugin().name, "test");
    assert!(registry.kind("echo").is_none());
}

#[test]
fn a_plugin_says_that_it_aborts_on_panic() {
    let mut registry = registry();
    let entry = Entry { flags: entry_flags::ABORTS_ON_PANIC, ..good() };
    registry.add_static(Box::leak(Box::new(entry))).unwrap();
    assert!(registry.plugins()[0].aborts_on_panic);
}

#[test]
fn another_major_version_is_refused() {
    refused(
        Entry { abi_major: 2, ..good() },
        "built for version 2 of the boundary, this program has version 1; rebuild the plugin with the `rondel.h` or SDK \
         of this program",
    );
}

#[test]
fn a_higher_minor_version_is_welcome() {
    let entry = Entry { abi_minor: 9, struct_size: size_of::<Entry>() as u32 + 64, ..good() };
    registry().add_static(Box::leak(Box::new(entry))).unwrap();
}

#[test]
fn an_entry_that_is_too_small_is_refused() {
    refused(
        Entry { struct_size: 16, ..good() },
        "the entry is 16 bytes long and at least 88 are needed; set `struct_size` to `sizeof(rondel_entry)`",
    );
}

#[test]
fn an_entry_without_a_name_is_refused() {
    let said = "the entry has no name and version in UTF-8; set `name` and `version`";
    refused(Entry { name: Str::new(""), ..good() }, said);
    refused(Entry { version: Str { ptr: [0xff].as_ptr(), len: 1 }, ..good() }, said);
}

#[test]
fn an_entry_with_a_name_that_steers_terminals_is_refused() {
    let said = "the entry has control characters in `name` or `version`; write both in letters";
    refused(Entry { name: Str::new("glow\x1b[31m"), ..good() }, said);
    refused(Entry { version: Str::new("1\r"), ..good() }, said);
}

#[test]
fn a_failing_init_is_refused() {
    unsafe extern "C" fn init(_: *const rondel_abi::Host, _: Str) -> Status {
        status::UNSUPPORTED
    }
    refused(
        Entry { init: Some(init), ..good() },
        "`init` of plugin `test` failed with status 6; ask its maker what it needs",
    );
}

#[test]
fn a_plugin_without_kinds_is_refused() {
    unsafe extern "C" fn nothing(_: Str) -> *const c_void {
        null()
    }
    let said = "plugin `test` offers no kinds; `get_factory` must know `rondel.nodes/1`";
    refused(Entry { get_factory: Some(nothing), ..good() }, said);
    refused(Entry { get_factory: None, ..good() }, said);
}

#[test]
fn a_node_that_cannot_be_run_is_refused() {
    let said = "kind number 0 of plugin `test` is null, too small or without `run`; set all fields of `rondel_node` and \
                `struct_size` to its size";
    refused(with_node!(Node { run: None, ..node("{}") }), said);
    refused(with_node!(Node { struct_size: 8, ..node("{}") }), said);
}

#[test]
fn a_specification_that_is_no_json_is_refused() {
    refused(
        with_node!(node("{")),
        "the specification of kind number 0 of plugin `test` cannot be read (EOF while parsing an object at line 1 \
         column 1); correct its JSON",
    );
}

#[test]
fn every_mistake_of_a_specification_is_listed() {
    refused(
        with_node!(node(r#"{"kind": "Glow", "version": 1, "inputs": [], "outputs": []}"#)),
        "the specification of `Glow` in plugin `test` is to be corrected: the kind `Glow` is not made of lowercase names \
         joined by dots; there is no output",
    );
}

#[test]
fn a_kind_is_never_replaced() {
    let mut registry = registry();
    registry.add_static(Box::leak(Box::new(good()))).unwrap();
    let other = Box::leak(Box::new(plugin::entry(Str::new("other"))));
    let error = registry.add_static(other).unwrap_err();
    assert_eq!(
        error.to_string(),
        "kind `test.echo` of plugin `other` is offered by plugin `test` (built in) already; remove one of the two, or \
         rename the kind: built in"
    );
    assert_eq!(registry.plugins().len(), 1);
}

#[test]
fn a_missing_file_is_named() {
    let error = registry().add_file(Path::new("/nowhere/libglow.so"), Path::new("/nowhere")).unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with("the plugin cannot be read (") && said.ends_with(": /nowhere/libglow.so"), "{said}");
}

#[test]
fn a_missing_folder_is_no_error() {
    assert!(registry().add_folder(Path::new("/nowhere/plugins"), Path::new("/nowhere")).is_empty());
}
