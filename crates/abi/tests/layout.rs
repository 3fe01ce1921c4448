//! Where every field of the boundary lies, in Rust and in C.
//!
//! The table is the contract with plugins that are already built: it may grow at the end of a struct, and nowhere else. The
//! header is compiled with the same numbers as static assertions, by the system's C compiler.

use std::mem::{align_of, offset_of, size_of};
use std::path::Path;
use std::process::Command;

use expect_test::expect;
use rondel_abi as abi;
use rondel_abi::{data, service};

/// One struct: its name in C, its size and alignment, and the fields' names in C with their offsets.
struct Layout {
    name: &'static str,
    size: usize,
    align: usize,
    fields: Vec<(&'static str, usize)>,
}

/// `c name, Rust type, fields`; a field that C calls differently is written `rust = "c"`.
macro_rules! layout {
    ($name:literal, $rust:ty, [$($field:ident $(= $c:literal)?),* $(,)?]) => {
        Layout {
            name: $name,
            size: size_of::<$rust>(),
            align: align_of::<$rust>(),
            fields: vec![$((layout!(@name $field $($c)?), offset_of!($rust, $field))),*],
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $c:literal) => { $c };
}

fn layouts() -> Vec<Layout> {
    vec![
        layout!("rondel_str", abi::Str, [ptr, len]),
        layout!(
            "rondel_tensor",
            data::Tensor,
            [
                name,
                dtype_code,
                dtype_bits,
                dtype_lanes,
                device_type,
                device_id,
                ndim,
                shape,
                strides,
                data,
                byte_offset,
                byte_len,
            ]
        ),
        layout!(
            "rondel_bundle",
            abi::Bundle,
            [
                struct_size,
                reserved,
                retain,
                release,
                maker_data,
                kind,
                meta_json,
                tensors,
                n_tensors,
                read,
                native_tag,
                native,
            ]
        ),
        layout!("rondel_value", abi::Value, [tag, reserved, payload = "as"]),
        layout!(
            "rondel_call",
            abi::Call,
            [struct_size, reserved, host_data, inputs, n_inputs, set_output, fail, get_extension,]
        ),
        layout!("rondel_node", abi::Node, [struct_size, reserved, plugin_data, spec_json, run, get_extension]),
        layout!(
            "rondel_host",
            abi::Host,
            [struct_size, abi_major, abi_minor, host_data, name, version, get_extension,]
        ),
        layout!("rondel_node_factory", abi::NodeFactory, [struct_size, reserved, count, get]),
        layout!(
            "rondel_entry",
            abi::Entry,
            [struct_size, abi_major, abi_minor, flags, name, version, build, init, deinit, get_factory,]
        ),
        layout!(
            "rondel_run",
            service::RunService,
            [struct_size, reserved, cancelled, progress, preview, preview_wanted]
        ),
        layout!("rondel_build", service::BuildService, [struct_size, reserved, bundle]),
        layout!("rondel_log", service::LogService, [struct_size, reserved, log]),
        layout!("rondel_models", service::ModelsService, [struct_size, reserved, part]),
        layout!("rondel_output", service::OutputService, [struct_size, reserved, folder, provenance]),
        layout!(
            "rondel_memory",
            service::MemoryService,
            [struct_size, reserved, reserve, touch, free, budget, obtainable]
        ),
        layout!("rondel_checkpoint", service::CheckpointService, [struct_size, reserved, put, latest]),
        layout!("rondel_hosted", service::HostedService, [struct_size, reserved, paint]),
        layout!("rondel_cost", service::CostDef, [struct_size, reserved, cost]),
    ]
}

/// Numbers by their names in C.
fn constants() -> Vec<(&'static str, i64)> {
    use abi::data::{status, tag};
    vec![
        ("RONDEL_ABI_MAJOR", abi::ABI_MAJOR.into()),
        ("RONDEL_ABI_MINOR", abi::ABI_MINOR.into()),
        ("RONDEL_ENTRY_ABORTS_ON_PANIC", abi::entry_flags::ABORTS_ON_PANIC as i64),
        ("RONDEL_OK", status::OK.into()),
        ("RONDEL_FAILED", status::FAILED.into()),
        ("RONDEL_INVALID_INPUT", status::INVALID_INPUT.into()),
        ("RONDEL_TRANSIENT", status::TRANSIENT.into()),
        ("RONDEL_CANCELLED", status::CANCELLED.into()),
        ("RONDEL_OUT_OF_MEMORY", status::OUT_OF_MEMORY.into()),
        ("RONDEL_UNSUPPORTED", status::UNSUPPORTED.into()),
        ("RONDEL_PANICKED", status::PANICKED.into()),
        ("RONDEL_NEEDS_INPUT", status::NEEDS_INPUT.into()),
        ("RONDEL_NONE", tag::NONE.into()),
        ("RONDEL_BOOL", tag::BOOL.into()),
        ("RONDEL_INT", tag::INT.into()),
        ("RONDEL_FLOAT", tag::FLOAT.into()),
        ("RONDEL_SEED", tag::SEED.into()),
        ("RONDEL_TEXT", tag::TEXT.into()),
        ("RONDEL_JSON", tag::JSON.into()),
        ("RONDEL_BUNDLE", tag::BUNDLE.into()),
        ("RONDEL_LIST", tag::LIST.into()),
        ("RONDEL_PAIR", tag::PAIR.into()),
        ("RONDEL_DEBUG", service::level::DEBUG.into()),
        ("RONDEL_INFO", service::level::INFO.into()),
        ("RONDEL_WARN", service::level::WARN.into()),
        ("RONDEL_ERROR", service::level::ERROR.into()),
    ]
}

/// Ids by their names in C.
const IDS: [(&str, &str); 10] = [
    ("RONDEL_NODE_FACTORY", abi::NODE_FACTORY),
    ("RONDEL_RUN", service::RUN),
    ("RONDEL_BUILD", service::BUILD),
    ("RONDEL_LOG", service::LOG),
    ("RONDEL_MODELS", service::MODELS),
    ("RONDEL_OUTPUT", service::OUTPUT),
    ("RONDEL_MEMORY", service::MEMORY),
    ("RONDEL_CHECKPOINT", service::CHECKPOINT),
    ("RONDEL_HOSTED", service::HOSTED),
    ("RONDEL_COST", service::COST),
];

#[test]
#[cfg(target_pointer_width = "64")]
fn every_field_lies_where_it_always_did() {
    let mut table = String::new();
    for Layout { name, size, align, fields } in layouts() {
        let fields: Vec<String> = fields.iter().map(|(field, offset)| format!("{field} {offset}")).collect();
        table += &format!("{name} {size}/{align}: {}\n", fields.join(", "));
    }
    expect![[r#"
        rondel_str 16/8: ptr 0, len 8
        rondel_tensor 72/8: name 0, dtype_code 16, dtype_bits 17, dtype_lanes 18, device_type 20, device_id 24, ndim 28, shape 32, strides 40, data 48, byte_offset 56, byte_len 64
        rondel_bundle 104/8: struct_size 0, reserved 4, retain 8, release 16, maker_data 24, kind 32, meta_json 48, tensors 64, n_tensors 72, read 80, native_tag 88, native 96
        rondel_value 24/8: tag 0, reserved 4, as 8
        rondel_call 56/8: struct_size 0, reserved 4, host_data 8, inputs 16, n_inputs 24, set_output 32, fail 40, get_extension 48
        rondel_node 48/8: struct_size 0, reserved 4, plugin_data 8, spec_json 16, run 32, get_extension 40
        rondel_host 56/8: struct_size 0, abi_major 4, abi_minor 6, host_data 8, name 16, version 32, get_extension 48
        rondel_node_factory 24/8: struct_size 0, reserved 4, count 8, get 16
        rondel_entry 88/8: struct_size 0, abi_major 4, abi_minor 6, flags 8, name 16, version 32, build 48, init 64, deinit 72, get_factory 80
        rondel_run 40/8: struct_size 0, reserved 4, cancelled 8, progress 16, preview 24, preview_wanted 32
        rondel_build 16/8: struct_size 0, reserved 4, bundle 8
        rondel_log 16/8: struct_size 0, reserved 4, log 8
        rondel_models 16/8: struct_size 0, reserved 4, part 8
        rondel_output 24/8: struct_size 0, reserved 4, folder 8, provenance 16
        rondel_memory 48/8: struct_size 0, reserved 4, reserve 8, touch 16, free 24, budget 32, obtainable 40
        rondel_checkpoint 24/8: struct_size 0, reserved 4, put 8, latest 16
        rondel_hosted 16/8: struct_size 0, reserved 4, paint 8
        rondel_cost 16/8: struct_size 0, reserved 4, cost 8
    "#]].assert_eq(&table);
}

#[test]
fn the_header_says_the_same_as_the_code() {
    let mut source = "#include \"rondel.h\"\n#include <stddef.h>\n".to_owned();
    for Layout { name, size, align, fields } in layouts() {
        source += &format!("_Static_assert(sizeof({name}) == {size}, \"size of {name}\");\n");
        source += &format!("_Static_assert(_Alignof({name}) == {align}, \"alignment of {name}\");\n");
        for (field, offset) in fields {
            source += &format!("_Static_assert(offsetof({name}, {field}) == {offset}, \"{name}.{field}\");\n");
        }
    }
    for (name, value) in constants() {
        source += &format!("_Static_assert({name} == {value}, \"{name}\");\n");
    }

    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("layout.c");
    std::fs::write(&path, source).unwrap();
    let compiled = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"])
        .args([&include, &path])
        .output()
        .expect("a C compiler called `cc` is installed");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));

    let header = std::fs::read_to_string(include.join("rondel.h")).unwrap();
    for (name, id) in IDS {
        assert!(header.contains(&format!("#define {name} \"{id}\"")), "{name}");
    }
}
