//! From `models.ron` to descriptors: sources, bases, variants and LoRAs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use expect_test::{Expect, expect};
use rondel_engine::Site;
use rondel_engine::site::Folders;
use rondel_engine::weights::Model;
use rondel_plugin::{HostOptions, Registry};
use rondel_value::ModelRef;

/// A folder with a graph, models around it, and a home.
struct Place(tempfile::TempDir);

impl Place {
    /// A place with the parts of a model in the usual layout, in `klein/`.
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        place.file("klein/model_index.json", b"{}");
        place.file("klein/tokenizer/tokenizer.json", b"{}");
        for (part, byte) in [("text_encoder", 1), ("transformer", 2), ("vae", 3)] {
            place.file(&format!("klein/{part}/model.safetensors"), &weights(byte));
        }
        place
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn file(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn models(&self, file: &str, entries: &str) {
        self.file(file, format!("Models(format: 1, {entries})").as_bytes());
    }

    fn site(&self) -> Site {
        let host = HostOptions { name: "place".to_owned(), version: "1".to_owned(), ..HostOptions::default() };
        let folders = Folders { home: Some(self.path("home")), hub: Some(self.path("hub")) };
        Site::new(Arc::new(Registry::new(host)), Vec::new(), &self.path("cache/v1")).with_folders(folders)
    }

    /// The model `flux` of a graph in `graphs/`, declared with these fields.
    fn declared(&self, fields: &str) -> Result<Model, String> {
        let text = format!("Graph(format: 1, models: (flux: Flux2({fields})), nodes: ())");
        self.file("graphs/graph.ron", text.as_bytes());
        let site = self.site();
        let checked = site.open(&self.path("graphs/graph.ron"), &BTreeMap::new());
        let graph = checked.graph.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
        site.model(&graph, &graph.models["flux"]).map_err(|mistakes| {
            let lines = mistakes.iter().map(|mistake| {
                let label = mistake.primary().expect("a place");
                format!("`{}`: {}\n", &graph.text[label.span.clone()], mistake.message)
            });
            lines.collect::<String>().replace(&self.0.path().display().to_string(), "…")
        })
    }

    fn model(&self, name: &str) -> Result<Model, String> {
        self.declared(&format!("weights: {name:?}"))
    }

    fn reference(&self, name: &str) -> ModelRef {
        ModelRef { name: String::new(), ..self.model(name).unwrap_or_else(|problem| panic!("{problem}")).reference }
    }

    fn check_problem(&self, name: &str, expected: Expect) {
        expected.assert_eq(&self.model(name).expect_err("a problem"));
    }
}

/// A safetensors file of one tensor.
fn weights(byte: u8) -> Vec<u8> {
    let header = r#"{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[byte]].concat()
}

const KLEIN: &str = r#""klein": (family: Flux2, source: Folder("../klein"))"#;

#[test]
fn parts_may_be_files_anywhere() {
    let place = Place::new();
    place.file("home/te.safetensors", &weights(1));
    place.file("far/klein.gguf", &weights(2));
    let far = place.path("far/klein.gguf").display().to_string();
    place.models(
        "graphs/models.ron",
        &format!(
            r#"models: {{ {KLEIN}, "files": (family: Flux2, source: Files, variant: Base, parts: (
                text: "~/te.safetensors", transformer: {far:?}, vae: "../klein/vae", tokenizer: "../klein/tokenizer"))}}"#
        ),
    );
    let (files, klein) = (place.reference("files"), place.reference("klein"));
    assert_eq!(files.parts.keys().map(String::as_str).collect::<Vec<_>>(), ["text", "tokenizer", "transformer", "vae"]);
    assert_eq!((&files.parts["vae"], &files.parts["tokenizer"]), (&klein.parts["vae"], &klein.parts["tokenizer"]));
    assert_eq!(files.options["variant"], "Base");
    assert!(klein.parts.contains_key("config") && klein.options.is_empty());
}

#[test]
fn a_base_gives_what_an_entry_does_not_name() {
    let place = Place::new();
    place.file("graphs/q4.gguf", &weights(9));
    place.models(
        "graphs/models.ron",
        &format!(
            r#"models: {{ {KLEIN}, "q4": (family: Flux2, base: "klein", variant: Distilled, parts: (transformer: "q4.gguf")),
                "q4-base": (family: Flux2, base: "q4", variant: Base) }}"#
        ),
    );
    let (klein, q4, on_it) = (place.reference("klein"), place.reference("q4"), place.reference("q4-base"));
    let differing: Vec<&String> = klein.parts.keys().filter(|part| klein.parts[*part] != q4.parts[*part]).collect();
    assert_eq!(differing, ["transformer"]);
    assert_eq!(
        (q4.parts == on_it.parts, &*q4.options["variant"], &*on_it.options["variant"]),
        (true, "Distilled", "Base")
    );
}

#[test]
fn an_entry_may_change_one_of_its_name_farther_away() {
    let place = Place::new();
    place.file("graphs/vae.safetensors", &weights(9));
    place.models(
        "graphs/models.ron",
        r#"models: {"klein": (family: Flux2, base: "klein", parts: (vae: "vae.safetensors"))}"#,
    );
    place.models("models.ron", r#"models: {"klein": (family: Flux2, source: Folder("klein"))}"#);
    let near = place.reference("klein");
    fs::remove_file(place.path("graphs/models.ron")).unwrap();
    let far = place.reference("klein");
    assert_eq!(near.parts["transformer"], far.parts["transformer"]);
    assert_ne!(near.parts["vae"], far.parts["vae"]);
}

#[test]
fn a_base_that_leads_nowhere_or_back_is_told() {
    let place = Place::new();
    place.models(
        "graphs/models.ron",
        r#"models: {
            "a": (family: Flux2, base: "b"), "b": (family: Flux2, base: "a"), "c": (family: Flux2, base: "gone"),
            "d": (family: Flux2, base: "z"), "z": (family: ZImage, source: Files, parts: (vae: "x")) }"#,
    );
    place.check_problem(
        "a",
        expect![[r#"
        `flux: Flux2(weights: "a")`: the model `a` cannot be used: its `base` leads back to itself: a → b → a
    "#]],
    );
    place.check_problem("c", expect![[r#"
        `flux: Flux2(weights: "c")`: the model `c` cannot be used: no models.ron has an entry `gone`, which its `base` names
    "#]]);
    place.check_problem(
        "d",
        expect![[r#"
        `flux: Flux2(weights: "d")`: the model `d` cannot be used: it is Flux2, and its base `z` is ZImage
    "#]],
    );
}

#[test]
fn a_repository_is_a_folder_of_the_local_cache() {
    let place = Place::new();
    place.models(
        "graphs/models.ron",
        &format!(r#"models: {{ {KLEIN}, "hub": (family: Flux2, source: Hub(repo: "owner/klein")) }}"#),
    );
    place.check_problem("hub", expect![[r#"
        `flux: Flux2(weights: "hub")`: the model `hub` cannot be used: `owner/klein` is not in the local cache of the hub, and nothing is fetched by itself; get it with `hf download owner/klein`, or put the files into a folder and name that with `source: Folder("…")`
    "#]]);
    place.file("hub/models--owner--klein/refs/main", b"abc");
    fs::create_dir_all(place.path("hub/models--owner--klein/snapshots")).unwrap();
    fs::rename(place.path("klein"), place.path("hub/models--owner--klein/snapshots/abc")).unwrap();
    let hub = place.reference("hub");
    fs::rename(place.path("hub/models--owner--klein/snapshots/abc"), place.path("klein")).unwrap();
    assert_eq!(hub, place.reference("klein"));
}

#[test]
fn what_is_wrong_with_files_is_told_before_anything_is_hashed() {
    let place = Place::new();
    place.models("graphs/models.ron", &format!("models: {{ {KLEIN} }}"));
    let whole = weights(2);
    place.file("klein/transformer/model.safetensors", &whole[..whole.len() - 1]);
    place.check_problem("klein", expect![[r#"
        `flux: Flux2(weights: "klein")`: the model `klein` cannot be used: a file of its part `transformer` is cut short: 61 bytes of 62 are there: …/graphs/../klein/transformer/model.safetensors
    "#]]);
    place.file("klein/transformer/model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n");
    place.check_problem("klein", expect![[r#"
        `flux: Flux2(weights: "klein")`: the model `klein` cannot be used: a file of its part `transformer` is a Git LFS pointer and not the file itself; fetch the real file with `git lfs pull`: …/graphs/../klein/transformer/model.safetensors
    "#]]);
    fs::remove_dir_all(place.path("klein/tokenizer")).unwrap();
    place.file("klein/transformer/model.safetensors", &whole);
    place.check_problem("klein", expect![[r#"
        `flux: Flux2(weights: "klein")`: the model `klein` cannot be used: it has no part `tokenizer`, and its text encoder brings none along: …/graphs/../klein/text_encoder/model.safetensors
    "#]]);
    fs::remove_dir_all(place.path("klein")).unwrap();
    place.check_problem(
        "klein",
        expect![[r#"
        `flux: Flux2(weights: "klein")`: the model `klein` cannot be used: its folder is not there: …/graphs/../klein
    "#]],
    );
    assert!(!place.path("cache").exists());
}

#[test]
fn loras_are_added_with_digest_and_scale() {
    let place = Place::new();
    place.file("graphs/ink.safetensors", &weights(7));
    place.models(
        "graphs/models.ron",
        &format!(r#"models: {{ {KLEIN} }}, loras: {{ "ink": (family: Flux2, source: File("ink.safetensors")) }}"#),
    );
    let with = |loras: &str| {
        let fields = format!(r#"weights: "klein", dtype: Bf16, loras: {loras}"#);
        place.declared(&fields).unwrap_or_else(|problem| panic!("{problem}"))
    };
    let model = with(r#"["ink", Lora(weights: "ink", scale: 0.5)]"#);
    let scales: Vec<f64> = model.reference.loras.iter().map(|lora| lora.scale).collect();
    assert_eq!((scales, &*model.reference.options["dtype"]), (vec![1.0, 0.5], "Bf16"));
    assert_eq!(model.loras[&model.reference.loras[0].digest], place.path("graphs/ink.safetensors"));
    let digest = |part: &str, model: Model| model.reference.digest(&[part.to_owned()]);
    for (part, is_changed) in [("transformer", true), ("text", false), ("vae", false)] {
        let before = digest(part, with(r#"["ink"]"#));
        assert_eq!(before != digest(part, with(r#"[Lora(weights: "ink", scale: 0.5)]"#)), is_changed, "{part}");
        place.file("graphs/ink.safetensors", &[weights(8), weights(9)][usize::from(part == "text")]);
        assert_eq!(before != digest(part, with(r#"["ink"]"#)), is_changed, "{part}");
    }
}

#[test]
fn every_lora_that_cannot_be_used_is_told_at_its_place() {
    let place = Place::new();
    place.file("graphs/page.safetensors", b"<html>");
    place.models(
        "graphs/models.ron",
        &format!(
            r#"models: {{ {KLEIN} }}, loras: {{ "gone": (family: Flux2, source: File("gone.safetensors")),
                "page": (family: Flux2, source: File("page.safetensors")) }}"#
        ),
    );
    let problem = place.declared(r#"weights: "klein", loras: ["gone", Lora(weights: "page")]"#).unwrap_err();
    expect![[r#"
        `"gone"`: the LoRA `gone` cannot be used: its file is not there: …/graphs/gone.safetensors
        `Lora(weights: "page")`: the LoRA `page` cannot be used: its file is a web page and not the file itself; the download went wrong: …/graphs/page.safetensors
    "#]].assert_eq(&problem);
}
