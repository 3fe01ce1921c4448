//! What the checker finds in whole files, and that no file makes it panic.

use std::time::Instant;

use expect_test::expect;
use proptest::prelude::*;
use rondel_value::Value;

use crate::testing::*;
use crate::{Expr, NodeKind, Piece};

#[test]
fn a_good_graph_is_resolved() {
    let graph = graph();
    assert_eq!(graph.name, "test");
    let latent = &graph.nodes["latent"];
    assert_eq!(latent.args["latent"].expr, Expr::Output { node: "noise".to_owned(), port: "latent".to_owned() });
    assert_eq!(latent.args["steps"].expr, Expr::Input("steps".to_owned()));
    assert_eq!(latent.args["sampler"].expr, Expr::Value(Value::text("Euler")));
    assert_eq!(&graph.text[latent.args["steps"].span.clone()], "steps");
    let pieces = vec![
        Piece::Text("out/".to_owned()),
        Piece::Graph,
        Piece::Text("-".to_owned()),
        Piece::Input { name: "seed".to_owned(), width: 4 },
        Piece::Text(".png".to_owned()),
    ];
    assert_eq!(graph.nodes["saved"].args["path"].expr, Expr::Template(pieces));
    assert_eq!(graph.outputs["image"].ty.to_string(), "Image");
    assert_eq!(&graph.text[graph.inputs["steps"].range_span.clone().unwrap()], "1..=50");
}

#[test]
fn literals_have_the_form_of_their_port() {
    let graph = edited(&[
        ("steps: steps", "steps: 3, guidance: 2, schedule: Shifted(mu: 2)"),
        ("image: image, path", "image: File(\"coat.png\"), path"),
        ("\"out/{graph}-{seed:04}.png\"", "r#\"{{a}} } \"#"),
        ("default: 7", "default: Random"),
    ])
    .unwrap();
    let arg = |node: &str, name: &str| graph.nodes[node].args[name].expr.clone();
    assert_eq!(arg("latent", "guidance"), Expr::Value(Value::Float(2.0)));
    assert_eq!(
        arg("latent", "schedule"),
        Expr::Value(Value::Json(rondel_value::Json::parse(r#"{"Shifted":{"mu":2.0}}"#).unwrap()))
    );
    assert_eq!(arg("saved", "image"), Expr::File { path: "coat.png".to_owned() });
    assert_eq!(arg("saved", "path"), Expr::Value(Value::text("{a} } ")));
    assert_eq!(graph.inputs["seed"].default, Some(Expr::RandomSeed));
}

#[test]
fn lists_other_outputs_and_settings_are_read() {
    let graph = edited(&[
        (
            "saved: save(",
            "change: compare(before: image, after: image),
             heat: resize(image: change(heatmap), references: [image, File(\"coat.png\")], data: {\"a\": (b: 1)},
                          with: (salt: 2, label: \"x\", cache: Never)),
             one: resize(image: image, references: heat),
             saved: save(",
        ),
        ("file: saved", "files: [saved], pictures: [image, change(heatmap)]"),
    ])
    .unwrap();
    let heat = &graph.nodes["heat"];
    let output = |node: &str, port: &str| Expr::Output { node: node.to_owned(), port: port.to_owned() };
    assert_eq!(heat.args["image"].expr, output("change", "heatmap"));
    assert_eq!(
        heat.args["references"].expr,
        Expr::List(vec![output("image", "image"), Expr::File { path: "coat.png".to_owned() }])
    );
    assert_eq!((heat.with.salt, heat.with.label.as_deref(), heat.with.never_cache), (2, Some("x"), true));
    assert_eq!(graph.nodes["one"].args["references"].expr, output("heat", "image"));
    assert_eq!(graph.outputs["pictures"].ty.to_string(), "List<Image>");
}

#[test]
fn an_imported_graph_is_a_kind_with_its_inputs_and_outputs() {
    let graph = edited(&[
        ("format: 1,", "format: 1, imports: (paint: Graph(\"lib/good.ron\"), glow: Node(\"acme.glow@2\")),"),
        (
            "saved: save(image: image",
            "other: paint(prompt: prompt, seed: 3), lit: glow(image: other), saved: save(image: lit",
        ),
    ])
    .unwrap();
    assert!(matches!(&graph.nodes["other"].kind, NodeKind::Graph(inner) if inner.name == "good"));
    let other = Expr::Output { node: "other".to_owned(), port: "image".to_owned() };
    assert_eq!(graph.nodes["lit"].args["image"].expr, other);
}

#[test]
fn a_swap_reaches_imported_graphs() {
    let text = "Graph(format: 1, imports: (paint: Graph(\"lib/good.ron\")), nodes: (a: paint()))";
    assert!(checked(text, &[("klein", "tiny")]).is_ok());
    let error = checked(text, &[("klein", "other")]).unwrap_err();
    assert_eq!(error.iter().map(|error| error.code).collect::<Vec<_>>(), ["models::wrong-family", "graph::bad-import"]);
}

#[test]
fn everything_after_the_syntax_is_reported_together_in_the_order_of_the_file() {
    check_edit(
        &[
            ("default: 4", "default: 99"),
            ("prompt: prompt", "prompt: promt"),
            ("latent: noise", "latent: text"),
            ("sampler: Euler", "sampler: heun"),
            ("image: decode", "image: decod"),
            ("draft: (steps: 2)", "draft: (size: (64, 60))"),
        ],
        expect![[r#"
            graph::out-of-range: `steps` is out of range: 99
             >test.ron:6:29 `99` must be within 1..=50
              test.ron:6:40 `1..=50` `steps` must be within this range
            graph::unknown-name: nothing is called `promt`
             >test.ron:12:44 `promt` not an input, model or node of this graph
              test.ron:4:9 `prompt` did you mean this?
              help: `encode.prompt` takes Text; here that is: prompt
            graph::type-mismatch: `sample.latent` takes Latent, but `text` is Conditioning
             >test.ron:14:46 `text` this is Conditioning
              test.ron:12:15 `encode` because `encode` returns Conditioning
              help: nodes here that return Latent: noise
            graph::lowercase-choice: `sample.sampler` is a choice, and choices start with a capital
             >test.ron:14:87 `heun` write `Heun`
              help: a lowercase name refers to an input, model or node; choices: Euler, Heun
            graph::unknown-kind: there is no kind of node called `decod`
             >test.ron:15:16 `decod` did you mean `decode`?
            graph::not-a-multiple: `size` takes multiples of 16: 60 is none
             >test.ron:19:29 `(64, 60)` the nearest are 48 and 64
              test.ron:5:52 `16` `size` must be a multiple of this
        "#]],
    );
}

#[test]
fn ten_thousand_nodes_in_a_chain_are_checked_in_well_under_a_second() {
    let mut nodes = "n0: solid(size: (8, 8), color: \"#fff\"),".to_owned();
    for i in 1..10_000 {
        nodes.push_str(&format!("n{i}: invert(image: n{}),\n", i - 1));
    }
    let text = format!("Graph(format: 1, nodes: ({nodes}), outputs: (image: n9999))");
    let start = Instant::now();
    assert_eq!(checked(&text, &[]).unwrap().nodes.len(), 10_000);
    let chain = start.elapsed();
    let ring = text.replace("n0: solid(size: (8, 8), color: \"#fff\")", "n0: invert(image: n9999)");
    let start = Instant::now();
    let errors = checked(&ring, &[]).unwrap_err();
    assert_eq!((errors.len(), errors[0].code), (1, "graph::cycle"));
    // A generous bound: what it guards against is quadratic work, which would take minutes.
    assert!(chain.as_secs() < 5 && start.elapsed().as_secs() < 5, "{chain:?}, {:?}", start.elapsed());
}

/// Whatever the text, nothing panics and every place is within it.
fn holds_together(text: &str) {
    let source = source(text);
    let result = crate::check(&source, &Stub, &Default::default());
    for diagnostic in &result.diagnostics {
        for label in &diagnostic.labels {
            let text = &diagnostic.source.as_ref().expect("labels have a source").text;
            assert!(text.get(label.span.clone()).is_some(), "{:?} in {diagnostic:?}", label.span);
        }
        assert!(diagnostic.to_json()["code"].is_string());
        let mut drawn = String::new();
        miette::NarratableReportHandler::new().render_report(&mut drawn, diagnostic).expect("can be drawn");
        assert!(!drawn.contains("[Failed to read"), "{drawn}");
    }
    let _ = crate::models::read(&source);
}

#[test]
fn a_mistake_can_be_drawn_wherever_it_is() {
    for text in ["", " ", "\n", "Graph(", "Graph(format: 1, nodes: (", "\u{feff}", "ä"] {
        holds_together(text);
    }
}

#[test]
fn a_file_may_end_in_a_comment_and_begin_with_an_attribute() {
    let text = format!("#![schema = \"graph]\"]\n{GOOD}// the end");
    let graph = checked(&text, &[]).unwrap();
    assert_eq!(&graph.text[graph.nodes["noise"].span.clone()], "noise: noise(model: klein, size: size, seed: seed)");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_breaks_the_checker(text in "\\PC{0,80}") {
        holds_together(&text);
        holds_together(&format!("Graph(format: 1, nodes: ({text}))"));
    }

    #[test]
    fn no_change_of_a_good_graph_breaks_the_checker(
        edits in prop::collection::vec((0..GOOD.len(), 0_usize..12, "[\"'(){}\\[\\],:./*#a-zA-Z0-9 ä\\n]{0,4}"), 1..4),
    ) {
        let mut text = GOOD.to_owned();
        for (at, length, insert) in edits {
            let start = crate::source::floor(&text, at);
            let end = crate::source::floor(&text, start + length).max(start);
            text.replace_range(start..end, &insert);
        }
        holds_together(&text);
    }
}
