//! A plugin called through its C entry by a host of a few lines.

mod fake_host;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use expect_test::{Expect, expect};
use fake_host::FakeHost;
use rondel_sdk::prelude::*;
use rondel_sdk::value::Value;

/// Blurs nothing, but says a lot.
#[derive(Node)]
#[node(kind = "acme.talk", version = 1)]
struct Talk {
    /// Picture to show.
    image: Image,
    #[param(default = 2)]
    steps: u64,
}

#[derive(Outputs)]
struct Talked {
    image: Image,
    files: String,
}

impl Run for Talk {
    type Output = Talked;

    fn run(self, cx: &mut Cx) -> NodeResult<Talked> {
        cx.note("talking")?;
        for step in 1..=self.steps {
            cx.progress(step, self.steps)?;
        }
        cx.preview(&self.image);
        cx.log(Level::Warn, "loud");
        let files = cx.model_part(&tiny_model(), "vae")?;
        let folder = cx.output_folder()?;
        Ok(Talked { image: self.image, files: format!("{files:?} in {folder:?}, {}", cx.provenance()?) })
    }
}

/// Fails as it is told.
#[derive(Node)]
#[node(kind = "acme.fail", version = 1)]
struct Fail {
    how: How,
}

#[derive(Choice)]
enum How {
    Panic,
    Input,
    Transient,
    Missing,
}

impl Run for Fail {
    type Output = bool;

    fn run(self, cx: &mut Cx) -> NodeResult<bool> {
        match self.how {
            How::Panic => panic!("the {} was lost", "count"),
            How::Input => Err(NodeError::input("how", "not like this")),
            How::Transient => Err(NodeError::failed("busy").transient()),
            How::Missing => cx.model_part(&tiny_model(), "lost").map(|_| true),
        }
    }
}

static WORDS: Warm<String> = Warm::new("words");

/// Keeps a word.
#[derive(Node)]
#[node(kind = "acme.keep", version = 1)]
struct Keep {
    key: String,
    bytes: u64,
}

impl Run for Keep {
    type Output = String;

    fn run(self, cx: &mut Cx) -> NodeResult<String> {
        let mut loaded = "kept";
        let word = WORDS.get(cx, self.key.as_str(), || {
            cx.note("loading")?;
            loaded = "loaded";
            Ok((self.key.to_uppercase(), self.bytes))
        })?;
        Ok(format!("{word} {loaded}"))
    }
}

/// Keeps words of a known length, works on them, and goes on where it stopped.
#[derive(Node)]
#[node(kind = "acme.work", version = 1)]
struct Work {
    key: String,
    bytes: u64,
    scratch: u64,
}

#[derive(Outputs)]
struct Worked {
    text: String,
    image: Image,
}

impl Run for Work {
    type Output = Worked;

    fn run(self, cx: &mut Cx) -> NodeResult<Worked> {
        let image = Image::from_u8(1, 1, 1, vec![7])?;
        let from = cx.latest_checkpoint().map(|(step, state)| format!("{step} {state:?}"));
        cx.checkpoint(12, &image.clone().into());
        let _scratch = cx.reserve_scratch(self.scratch, "activations").map_err(|error| error.or("fewer `bytes`"))?;
        let word = WORDS.get_sized(cx, self.key.as_str(), self.bytes, || match self.key.as_str() {
            "lost" => Err(NodeError::failed("no such word")),
            key => Ok(key.to_uppercase()),
        })?;
        let text = format!("{word} from {from:?}, {:?}, {}", cx.memory(), cx.preview_wanted());
        Ok(Worked { text, image })
    }

    fn cost(inputs: &Inputs<'_>, cx: &Cx) -> NodeResult<Option<Estimate>> {
        let Some(bytes) = inputs.get::<u64>("bytes") else { return Ok(None) };
        assert_ne!(bytes, 13, "an unlucky number");
        let files = cx.model_part(&tiny_model(), if bytes == 0 { "lost" } else { "text" })?;
        let image = Image::from_u8(bytes as usize, 1, 1, vec![0; bytes as usize])?;
        let estimate = Estimate::new().keeps("words", "a", bytes).works("files", files.len() as u64).streams(4);
        Ok(Some(estimate.makes("image", image)))
    }
}

export_plugin!("acme-test", [Talk, Fail, Keep, Work]);

fn tiny_model() -> ModelRef {
    ModelRef { family: "Flux2".to_owned(), name: "tiny".to_owned(), ..ModelRef::default() }
}

fn picture() -> Value {
    Image::from_u8(2, 1, 3, vec![1, 2, 3, 4, 5, 6]).unwrap().into_value()
}

fn check(host: &FakeHost, kind: usize, inputs: &[Value], expected: Expect) {
    expected.assert_eq(&host.run(kind, inputs));
}

#[test]
fn every_service_and_output_crosses() {
    let host = FakeHost::without_init(&ENTRY);
    check(
        host,
        0,
        &[picture(), Value::None],
        expect![[r#"
        progress 0/0 talking
        progress 1/2 talking
        progress 2/2 talking
        preview Image(pixels: U8 [1, 2, 3])
        log 2 loud
        output 0: Image(pixels: U8 [1, 2, 3])
        output 1: "[\"vae-1.bin\", \"vae-2.bin\"] in \"out\", {\"graph\":\"t\"}"
        status 0"#]],
    );
}

#[test]
fn a_cancelled_run_stops_at_its_next_report() {
    let host = FakeHost::without_init(&ENTRY);
    host.cancel_after(2);
    check(
        host,
        0,
        &[picture(), Value::Int(9)],
        expect![[r#"
        progress 0/0 talking
        progress 1/9 talking
        status 4: cancelled"#]],
    );
}

#[test]
fn failures_are_told_with_their_status() {
    let host = FakeHost::without_init(&ENTRY);
    check(host, 1, &[Value::text("Input")], expect!["status 2: input 0: not like this"]);
    check(host, 1, &[Value::text("Transient")], expect!["status 3: busy"]);
    check(
        host,
        1,
        &[Value::text("Missing")],
        expect![[r#"status 3: no part `lost` in {"family":"Flux2","name":"tiny","parts":{}}"#]],
    );
    check(host, 0, &[Value::Int(1)], expect!["status 2: input 0: Image wanted, Int given"]);
}

#[test]
fn a_panic_stays_inside_and_says_where() {
    let _alone = lock();
    let host = FakeHost::without_init(&ENTRY);
    let told = host.run(1, &[Value::text("Panic")]);
    let (status, place) = told.split_once(" (").unwrap();
    assert_eq!(status, "status 7: panicked: the count was lost");
    assert!(place.contains("boundary.rs:"), "{place}");
}

#[test]
fn each_kind_is_found_and_no_more() {
    let host = FakeHost::without_init(&ENTRY);
    assert_eq!(host.kinds(), ["acme.talk", "acme.fail", "acme.keep", "acme.work"]);
    assert_eq!(fake_host::exported_name(&ENTRY), "acme-test");
    assert!(host.factory("rondel.nodes/2").is_null());
}

/// What is kept belongs to the whole plugin, and a panic lets it go: the two tests take turns.
fn lock() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn what_is_kept_is_counted_touched_evicted_and_freed() {
    let _alone = lock();
    let host = FakeHost::init(&ENTRY);
    let keep = |key: &str, bytes| host.run(2, &[Value::text(key), Value::Int(bytes)]);
    keep("a", 10);
    keep("a", 10);
    keep("b", 20);
    // More than this host counts: served, and not kept.
    keep("huge", 1_000_000);
    keep("huge", 1_000_000);
    host.evict(1);
    keep("a", 10);
    // In use: not given back.
    let used: Arc<String> = WORDS.get(&Cx::for_test(), "b", || Err(NodeError::failed("not there"))).unwrap();
    host.evict(2);
    drop(used);
    host.evict(2);
    // Gone already, and again: nothing is read through what is gone.
    host.evict(2);
    host.deinit();
    expect![[r#"
        progress 0/0 loading
        reserve 10 for words a: 1
        output 0: "A loaded"
        status 0
        touch 1
        output 0: "A kept"
        status 0
        progress 0/0 loading
        reserve 20 for words b: 2
        output 0: "B loaded"
        status 0
        progress 0/0 loading
        refuse 1000000 for words huge
        output 0: "HUGE loaded"
        status 0
        progress 0/0 loading
        refuse 1000000 for words huge
        output 0: "HUGE loaded"
        status 0
        evict 1: true
        progress 0/0 loading
        reserve 10 for words a: 3
        output 0: "A loaded"
        status 0
        touch 2
        evict 2: false
        evict 2: true
        evict 2: true
        free 3"#]]
    .assert_eq(&host.told());
}

#[test]
fn room_is_made_before_loading_and_a_refusal_spells_out_the_sum() {
    let _alone = lock();
    let host = FakeHost::init(&ENTRY);
    let work = |key: &str, bytes, scratch| host.run(3, &[Value::text(key), Value::Int(bytes), Value::Int(scratch)]);
    work("sized", 500, 20);
    // Counted, and given back as it does not load.
    work("lost", 600, 20);
    work("sized", 500, 20);
    work("huge", 1_000_000, 20);
    work("sized", 500, 2_000_000);
    host.evict(2);
    host.deinit();
    expect![[r#"
        checkpoint 12 Image(pixels: U8 [1, 1, 1])
        reserve 20 for activations: 1
        reserve 500 for words sized: 2
        free 1
        output 0: "SIZED from None, MemoryNow { budget_bytes: Some(999), obtainable_bytes: Some(900) }, true"
        output 1: Image(pixels: U8 [1, 1, 1])
        status 0
        checkpoint 12 Image(pixels: U8 [1, 1, 1])
        reserve 20 for activations: 3
        reserve 600 for words lost: 4
        free 4
        free 3
        status 1: no such word
        checkpoint 12 Image(pixels: U8 [1, 1, 1])
        reserve 20 for activations: 5
        touch 2
        free 5
        output 0: "SIZED from Some(\"12 Image(pixels: U8 [1, 1, 1])\"), MemoryNow { budget_bytes: Some(999), obtainable_bytes: Some(900) }, true"
        output 1: Image(pixels: U8 [1, 1, 1])
        status 0
        checkpoint 12 Image(pixels: U8 [1, 1, 1])
        reserve 20 for activations: 6
        refuse 1000000 for words huge
        free 6
        status 5: needs 1.0 MB (activations 20 B + words 1.0 MB), the budget is 999 B: `--memory 2MB`
        checkpoint 12 Image(pixels: U8 [1, 1, 1])
        refuse 2000000 for activations
        status 5: needs 2.0 MB (activations 2.0 MB), the budget is 999 B: `--memory 2MB`, or fewer `bytes`
        evict 2: true"#]].assert_eq(&host.told());
}

#[test]
fn a_cost_crosses_with_what_will_be_made() {
    let host = FakeHost::without_init(&ENTRY);
    let cost = |bytes: Value| host.cost(3, &[Value::None, bytes, Value::None]);
    expect![[r#"
        output 1: Image(pixels: U8 [1, 3, 1])
        cost {"parts":[{"name":"words","bytes":3,"kept":"words a"},{"name":"files","bytes":2}],"streamed_bytes":4}
        status 0"#]]
    .assert_eq(&cost(Value::Int(3)));
    expect!["status 0"].assert_eq(&cost(Value::None));
    expect![[r#"status 3: no part `lost` in {"family":"Flux2","name":"tiny","parts":{}}"#]]
        .assert_eq(&cost(Value::Int(0)));
    let panicked = cost(Value::Int(13));
    assert!(panicked.starts_with("status 7: panicked: ") && panicked.contains("unlucky"), "{panicked}");
    // A kind that says nothing of it.
    expect!["status 0"].assert_eq(&host.cost(2, &[Value::None, Value::None]));
}
