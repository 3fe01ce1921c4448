//! Running nodes of a plugin that is linked in: what comes back, and what happens to nodes that break the contract.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::thread;

use rondel_plugin::{FailureKind, NodeFailure, Registry};
use rondel_value::{Bundle, Image, Kind, Meta, Tensor, Value};

use crate::host::{Recorder, registry};
use crate::plugin;

/// One for all tests: the plugin knows a single host.
static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = registry();
    registry.add_static(&plugin::ENTRY).unwrap();
    registry
});

fn run(kind: &str, inputs: &[Value]) -> Result<Vec<Value>, NodeFailure> {
    REGISTRY.kind(kind).unwrap().run(inputs, &Recorder::default())
}

fn failure(kind: &str, inputs: &[Value]) -> (FailureKind, Option<String>, String) {
    let failure = run(kind, inputs).unwrap_err();
    (failure.kind, failure.input, failure.message)
}

fn misbehaves(kind: &str, inputs: &[Value], message: &str) {
    assert_eq!(failure(kind, inputs), (FailureKind::Misbehaved, None, message.to_owned()));
}

fn picture() -> Value {
    Value::Bundle(Image::from_u8(1, 1, 3, vec![1, 2, 3]).unwrap().into())
}

#[test]
fn values_come_back_as_they_went() {
    let values = [Value::text("fox"), picture()];
    assert_eq!(run("test.echo", &values).unwrap(), values);
    let values = [Value::text(""), Value::None];
    assert_eq!(run("test.echo", &values).unwrap(), values);
}

#[test]
fn a_cancelled_node_stops_where_it_is() {
    let host = Recorder { cancels_at: Some(3), ..Recorder::default() };
    let failure = REGISTRY.kind("test.count").unwrap().run(&[], &host).unwrap_err();
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Cancelled, "cancelled"));
    assert_eq!(host.said(), ["1/1000000 counting", "2/1000000 counting", "3/1000000 counting"]);
}

#[test]
fn an_output_that_was_not_set_is_named() {
    misbehaves("test.silent", &[], "it did not set its output `n`");
}

#[test]
fn outputs_that_make_no_sense_are_refused() {
    let confused = |how: &str, message: &str| misbehaves("test.confused", &[Value::text(how)], message);
    confused("type", "its output `n` is wrong: Float wanted, Text given");
    confused("tag", "its output `n` is wrong: a value has the unknown tag 99");
    confused("null", "its output `n` is wrong: null");
    confused("number", "its output `n` is wrong: a number is not finite");
    confused("port", "it set output number 7, and outputs are numbered from 0 to 0");
    confused("both", "it says that it is done, and that it failed: no luck");
}

#[test]
fn the_last_value_of_an_output_counts() {
    assert_eq!(run("test.confused", &[Value::text("corrects itself")]).unwrap(), [Value::Float(3.0)]);
}

#[test]
fn a_panic_makes_its_kind_suspect_and_no_other() {
    assert!(!REGISTRY.kind("test.panics").unwrap().is_suspect());
    assert_eq!(failure("test.panics", &[]), (FailureKind::Panicked, None, "index out of bounds".to_owned()));
    assert!(REGISTRY.kind("test.panics").unwrap().is_suspect());
    assert!(!REGISTRY.kind("test.echo").unwrap().is_suspect());
}

#[test]
fn the_input_at_fault_is_named() {
    let expected = (FailureKind::InvalidInput, Some("b".to_owned()), "must be even".to_owned());
    assert_eq!(failure("test.refuses", &[Value::Int(2), Value::Int(3)]), expected);
}

#[test]
fn every_status_has_a_meaning() {
    let ends = |status: i64| run("test.ends", &[Value::Int(status)]).map_err(|failure| failure.kind);
    assert_eq!(ends(0), Ok(vec![Value::None]));
    assert_eq!(ends(1), Err(FailureKind::Failed));
    assert_eq!(ends(3), Err(FailureKind::Transient));
    assert_eq!(ends(5), Err(FailureKind::OutOfMemory));
    assert_eq!(ends(6), Err(FailureKind::Unsupported));
    misbehaves("test.ends", &[Value::Int(4)], "it says that it was cancelled, which it was not");
    misbehaves("test.ends", &[Value::Int(8)], "it waits for an input, and all of them are there");
    misbehaves("test.ends", &[Value::Int(77)], "it ended with the unknown status 77");
}

#[test]
fn a_bundle_built_by_the_host_is_zeroed_sorted_and_let_go() {
    let before = REGISTRY.built_bundles_alive();
    let outputs = run("test.builds", &[Value::Bool(false)]).unwrap();
    let Value::Bundle(bundle) = &outputs[0] else { panic!("a bundle") };
    assert_eq!(format!("{bundle:?}"), "Image(more: U8 [0], pixels: U8 [1, 2, 1])");
    assert_eq!(bundle.meta()["by"], "test");
    assert_eq!(bundle.tensor("pixels").unwrap().data()[..], [0, 7]);
    assert_eq!(REGISTRY.built_bundles_alive(), before + 1);
    drop(outputs);
    assert_eq!(REGISTRY.built_bundles_alive(), before);
    // Two tensors of one name are no bundle.
    let expected = (FailureKind::Failed, None, "nothing was built".to_owned());
    assert_eq!(failure("test.builds", &[Value::Bool(true)]), expected);
}

#[test]
fn services_of_a_call_reach_its_host() {
    let host = Recorder::default();
    let outputs = REGISTRY.kind("test.services").unwrap().run(&[Value::text("text")], &host).unwrap();
    let heard = ["/w/1.safetensors", "/w/2.safetensors", "/out", r#"{"graph":"fox"}"#];
    assert_eq!(outputs, [Value::list(heard.map(Value::text))]);
    assert_eq!(host.said(), ["Warn: beware"]);
}

#[test]
fn a_missing_part_of_a_model_is_a_reason_and_no_path() {
    let expected = (FailureKind::Failed, None, "model `klein` has no part `vae`".to_owned());
    assert_eq!(failure("test.services", &[Value::text("vae")]), expected);
}

#[test]
fn what_plugins_keep_stays_within_the_budget() {
    assert_eq!(run("test.keeps", &[Value::Int(60)]).unwrap(), [Value::Int(1)]);
    assert_eq!(REGISTRY.memory().used_bytes(), 60);
    assert_eq!(run("test.keeps", &[Value::Int(70)]).unwrap(), [Value::Int(2)]);
    let tickets: Vec<_> = REGISTRY.memory().tickets().into_iter().map(|ticket| ticket.name).collect();
    assert_eq!(tickets, ["70 bytes"]);
    assert_eq!(run("test.keeps", &[Value::Int(101)]).unwrap(), [Value::Int(0)]);
    // What is worked in sends away what is idle, and is not asked back.
    assert_eq!(run("test.keeps", &[Value::Int(-40)]).unwrap(), [Value::Int(40)]);
    assert_eq!((REGISTRY.memory().used_bytes(), REGISTRY.memory().obtainable_bytes()), (0, Some(100)));
}

#[test]
fn a_call_goes_on_from_what_an_earlier_one_kept() {
    let kind = REGISTRY.kind("test.goes_on").unwrap();
    let state = |x: f32| Bundle::new(Kind::Tensor, Meta::new(), [Tensor::from_f32("x", vec![1], &[x]).unwrap()]);
    let host = Recorder::default();
    let first = kind.run(&[Value::Bundle(state(0.5))], &host).unwrap();
    assert_eq!(first, [Value::None, Value::Int(0)]);
    let second = kind.run(&[Value::Bundle(state(0.75))], &host).unwrap();
    assert_eq!(second, [Value::Bundle(state(0.5)), Value::Int(1)]);
    assert_eq!(host.said(), ["checkpoint 1", "checkpoint 2"]);
}

#[test]
fn a_kind_says_what_it_will_need_and_what_it_will_make() {
    let kind = REGISTRY.kind("test.costs").unwrap();
    let ask = |size: Value, how: &str| {
        kind.estimate(&[size, Value::text(how)], &|_, _| Err("no models here".to_owned()))
            .map_err(|failure| failure.message)
    };
    let known = ask(Value::Pair([4, 2]), "well").unwrap().unwrap();
    assert_eq!((known.cost.to_string().as_str(), known.cost.streamed_bytes), ("24 B (pixels 24 B)", Some(3)));
    assert!(matches!(&known.outputs[..], [Value::Bundle(image), Value::None] if image.kind() == Kind::Image));
    let unknown = ask(Value::None, "well").unwrap().unwrap();
    assert_eq!((unknown.cost.bytes(), unknown.outputs), (0, vec![Value::None, Value::None]));
    assert_eq!(ask(Value::None, "silently"), Ok(None));
    assert_eq!(ask(Value::None, "not").unwrap_err(), "no such file");
    let confused = ask(Value::None, "in words").unwrap_err();
    assert!(confused.starts_with("what it says of its cost cannot be read: expected value"), "{confused}");
    let silent = REGISTRY.kind("test.silent").unwrap();
    assert_eq!(silent.estimate(&[], &|_, _| Err("no models here".to_owned())), Ok(None));
}

#[test]
fn a_panic_of_the_host_waits_until_the_plugin_has_returned() {
    let caught = catch_unwind(AssertUnwindSafe(|| run("test.troubles", &[])));
    let message = *caught.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("the host panics, as the note asks"), "{message}");
    assert!(!REGISTRY.kind("test.troubles").unwrap().is_suspect());
}

#[test]
fn a_serial_kind_is_entered_once_at_a_time() {
    let alone = || run("test.serial", &[]).unwrap() == [Value::Bool(true)];
    let was_always_alone = thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(alone)).collect();
        runs.into_iter().all(|run| run.join().unwrap())
    });
    assert!(was_always_alone);
}

#[test]
fn a_preview_that_is_no_picture_is_left_out_with_a_warning() {
    let tensor = Tensor::from_f32("x", vec![1], &[0.5]).unwrap();
    let input = Value::Bundle(Bundle::new(Kind::Tensor, Meta::new(), [tensor]));
    let host = Recorder::default();
    REGISTRY.kind("test.previews").unwrap().run(&[input], &host).unwrap();
    assert_eq!(host.said(), ["Warn: a preview is left out: Image wanted, the bundle is Tensor"]);
}
