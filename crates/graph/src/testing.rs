//! A small world of node kinds, and diagnostics as short text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use expect_test::Expect;
use rondel_value::NodeSpec;
use serde_json::json;

use crate::{Diagnostic, Graph, ImportError, MissingKind, Source, World, check};

/// A graph without mistakes that uses most of the format.
pub const GOOD: &str = r#"Graph(
    format: 1,
    inputs: (
        prompt: Text(default: "a fox"),
        size: Size(default: (64, 64), multiple_of: 16),
        steps: Int(default: 4, range: 1..=50),
        seed: Seed(default: 7),
        style: Choice(of: [Soft, Hard], default: Soft),
    ),
    models: (klein: Flux2(weights: "tiny")),
    nodes: (
        text: encode(model: klein, prompt: prompt),
        noise: noise(model: klein, size: size, seed: seed),
        latent: sample(model: klein, latent: noise, cond: text, steps: steps, sampler: Euler),
        image: decode(model: klein, latent: latent),
        saved: save(image: image, path: "out/{graph}-{seed:04}.png"),
    ),
    outputs: (image: image, file: saved),
    presets: (draft: (steps: 2)),
)
"#;

/// Kinds, files and weights that tests refer to.
pub struct Stub;

impl World for Stub {
    fn spec(&self, kind: &str) -> Option<Arc<NodeSpec>> {
        specs().into_iter().find(|spec| spec.kind == kind).map(Arc::new)
    }

    fn kinds(&self) -> Vec<String> {
        specs().into_iter().map(|spec| spec.kind).collect()
    }

    fn missing_kind(&self, kind: &str) -> MissingKind {
        let offered_by =
            (kind == "acme.bloom").then(|| "the plugin `acme-bloom` offers it and is left out: /p".to_owned());
        MissingKind { offered_by, looked_in: Some("plugins were looked for in: /p (1 plugin)".to_owned()) }
    }

    fn import(&self, from: &Path, path: &str) -> Result<Source, ImportError> {
        let path = from.parent().unwrap_or(Path::new("")).join(path);
        let name = path.to_string_lossy().into_owned();
        let text = match name.rsplit('/').next().unwrap_or_default() {
            "good.ron" => GOOD.to_owned(),
            "wrong.ron" => GOOD.replace("latent: noise", "latent: nose"),
            "nothing.ron" => "Graph(format: 1, nodes: ())".to_owned(),
            "ring_a.ron" => "Graph(format: 1, imports: (b: Graph(\"ring_b.ron\")), nodes: ())".to_owned(),
            "ring_b.ron" => "Graph(format: 1, imports: (a: Graph(\"../lib/ring_a.ron\")), nodes: ())".to_owned(),
            _ => return Err(ImportError::NotFound { path: name }),
        };
        Ok(Source::new(name, path, text))
    }

    fn model_family(&self, _: &Path, weights: &str) -> Option<String> {
        match weights {
            "tiny" => Some("Flux2".to_owned()),
            "other" => Some("ZImage".to_owned()),
            _ => None,
        }
    }

    fn model_names(&self, _: &Path) -> Vec<String> {
        vec!["tiny".to_owned(), "other".to_owned()]
    }

    fn lora_family(&self, _: &Path, lora: &str) -> Option<String> {
        match lora {
            "watercolor" => Some("Flux2".to_owned()),
            "woodcut" => Some("ZImage".to_owned()),
            _ => None,
        }
    }

    fn lora_names(&self, _: &Path) -> Vec<String> {
        vec!["watercolor".to_owned(), "woodcut".to_owned()]
    }

    fn file_exists(&self, _: &Path, path: &str) -> bool {
        path == "coat.png"
    }
}

fn specs() -> Vec<NodeSpec> {
    let input = |name: &str, ty: &str| json!({"name": name, "type": ty});
    let model = || input("model", "Model<F>");
    let json = json!([
        {"kind": "prompt", "version": 1, "inputs": [input("text", "Text"), input("style", "Text?")],
         "outputs": [input("text", "Text"), input("negative", "Text")]},
        {"kind": "encode", "version": 1, "inputs": [model(), input("prompt", "Text")],
         "outputs": [input("conditioning", "Conditioning<F>")]},
        {"kind": "noise", "version": 1, "inputs": [model(), input("size", "Size"), input("seed", "Seed")],
         "outputs": [input("latent", "Latent<F>")]},
        {"kind": "sample", "version": 1,
         "inputs": [model(), input("latent", "Latent<F>"), input("cond", "Conditioning<F>"),
                    input("negative", "Conditioning<F>?"),
                    {"name": "steps", "type": "Int", "default": 4, "range": [1, 50]},
                    {"name": "guidance", "type": "Float", "default": 1.0, "range": [0, 20]},
                    {"name": "sampler", "type": "Choice(Euler, Heun)", "default": "Euler"},
                    {"name": "schedule", "type": "Choice(Auto, Shifted(mu: Float))", "default": "Auto"}],
         "outputs": [input("latent", "Latent<F>")]},
        {"kind": "decode", "version": 1, "inputs": [model(), input("latent", "Latent<F>")],
         "outputs": [input("image", "Image")]},
        {"kind": "solid", "version": 1, "inputs": [input("size", "Size"), input("color", "Text")],
         "outputs": [input("image", "Image")]},
        {"kind": "invert", "version": 1, "inputs": [input("image", "Image")], "outputs": [input("image", "Image")]},
        {"kind": "resize", "version": 1,
         "inputs": [input("image", "Image"), input("width", "Int?"), input("height", "Int?"), input("data", "Json?"),
                    input("references", "List<Image>?")],
         "outputs": [input("image", "Image")]},
        {"kind": "compare", "version": 1, "inputs": [input("before", "Image"), input("after", "Image")],
         "outputs": [input("score", "Float"), input("heatmap", "Image")]},
        {"kind": "save", "version": 1, "effect": true,
         "inputs": [input("image", "Image"), {"name": "path", "type": "Text", "expand": true}],
         "outputs": [input("file", "Saved")]},
        {"kind": "acme.glow", "version": 2, "inputs": [input("image", "Image")],
         "outputs": [input("image", "Image")]},
    ]);
    serde_json::from_value(json).expect("specifications")
}

pub fn source(text: &str) -> Source {
    Source::new("test.ron", "test.ron", text)
}

/// [`GOOD`] with pieces of its text replaced, checked.
pub fn edited(edits: &[(&str, &str)]) -> Result<Arc<Graph>, Vec<Diagnostic>> {
    let mut text = GOOD.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "`{from}` is not in the text");
        text = text.replacen(from, to, 1);
    }
    checked(&text, &[])
}

pub fn checked(text: &str, swaps: &[(&str, &str)]) -> Result<Arc<Graph>, Vec<Diagnostic>> {
    let swaps: BTreeMap<String, String> = swaps.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let checked = check(&source(text), &Stub, &swaps);
    assert_eq!(checked.graph.is_none(), !checked.diagnostics.is_empty());
    checked.graph.ok_or(checked.diagnostics)
}

pub fn graph() -> Arc<Graph> {
    edited(&[]).expect("a good graph")
}

pub fn graph_with_inputs(inputs: &str) -> Arc<Graph> {
    checked(&format!("Graph(format: 1, inputs: ({inputs}), nodes: ())"), &[])
        .unwrap_or_else(|diagnostics| panic!("{}", render(&diagnostics)))
}

pub fn check_edit(edits: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&render(&edited(edits).expect_err("a mistake")));
}

pub fn check_text(text: &str, expected: Expect) {
    expected.assert_eq(&render(&checked(text, &[]).expect_err("a mistake")));
}

pub fn check_swap(model: &str, weights: &str, expected: Expect) {
    expected.assert_eq(&render(&checked(GOOD, &[(model, weights)]).expect_err("a mistake")));
}

pub fn check_set(name: &str, text: &str, expected: Expect) {
    expected.assert_eq(&render(&[crate::set_input(&graph(), name, text).expect_err("a mistake")]));
}

/// Code and message; then for each label file, place, what is marked and the remark, `>` for the primary one.
pub fn render(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        let _ = writeln!(out, "{}: {}", diagnostic.code, diagnostic.message);
        for label in &diagnostic.labels {
            let source = diagnostic.source.as_ref().expect("labels have a source");
            let (line, column) = source.place(label.span.start);
            let mark = if label.primary { ">" } else { " " };
            let marked = &source.text[label.span.clone()];
            let _ = writeln!(out, " {mark}{}:{line}:{column} `{marked}` {}", source.name, label.text);
        }
        for line in diagnostic.help.iter().flat_map(|help| help.lines()) {
            let _ = writeln!(out, "  help: {line}");
        }
    }
    out
}
