use proptest::prelude::*;

use super::*;
use crate::testing::{checked, graph_with_inputs};

/// The declaration after a value was written into it.
fn spliced(declaration: &str, value: &str) -> String {
    let graph = graph_with_inputs(&format!("x: {declaration}"));
    match set_default(&graph, &graph.text, "x", value) {
        Ok(text) => {
            let again = checked(&text, &[]).unwrap_or_else(|mistakes| panic!("{text}\n{mistakes:?}"));
            let wanted = set_input(&again, "x", value).unwrap();
            assert_eq!(again.inputs["x"].default.as_ref(), Some(&wanted), "{text}");
            let (_, from) = text.split_once("x: ").unwrap();
            let after = graph.text.len() - graph.text.find(declaration).unwrap() - declaration.len();
            from[..from.len() - after].to_owned()
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_default_is_replaced_where_it_stands() {
    assert_eq!(spliced("Seed(default: 7, doc: \"a // b\")", "8"), "Seed(default: 8, doc: \"a // b\")");
    assert_eq!(
        spliced("Text(default: \"a\" /* old */)", "a \"fox\"\n"),
        "Text(default: \"a \\\"fox\\\"\\n\" /* old */)"
    );
    assert_eq!(spliced("Size(default: (64, 64))", "128x64"), "Size(default: (128, 64))");
    assert_eq!(spliced("Seed(default: 7)", "random"), "Seed(default: Random)");
    assert_eq!(
        spliced("Choice(of: [Euler, Heun], default: Euler)", "Heun"),
        "Choice(of: [Euler, Heun], default: Heun)"
    );
    assert_eq!(spliced("List(of: Int, default: [1])", "[2, 3]"), "List(of: Int, default: [2, 3])");
}

#[test]
fn a_default_is_added_where_there_was_none() {
    assert_eq!(spliced("Int()", "4"), "Int(default: 4)");
    assert_eq!(spliced("Int(doc: \"n\")", "4"), "Int(default: 4, doc: \"n\")");
}

#[test]
fn what_cannot_be_written_says_why() {
    assert_eq!(spliced("Int(default: 4)", "four"), "`--set x=four` is not Int");
    assert_eq!(spliced("Image()", "a.png"), "`x` is Image, of which the value is written by hand");
}

#[test]
fn all_around_it_stays() {
    let graph = graph_with_inputs("/* one */ x: Int(default: 1, /* two */), // three\n y : Int(default: 2)");
    let first = set_default(&graph, &graph.text, "x", "10").unwrap();
    let both = set_default(&graph, &first, "y", "20").unwrap();
    assert_eq!(both, graph.text.replace("default: 1", "default: 10").replace("default: 2", "default: 20"));
}

#[test]
fn lists_hold_what_their_type_says() {
    let choices = "List(of: Choice(of: [Euler, Heun]), default: [Heun])";
    assert_eq!(spliced(choices, "[Euler, Heun]"), choices.replace("[Heun])", "[Euler, Heun])"));
    assert_eq!(spliced("List(of: Duration)", "[90s, 1.5ms]"), "List(default: [\"90s\", \"1500us\"], of: Duration)");
    assert_eq!(spliced("List(of: Seed)", "[random, 3]"), "List(default: [Random, 3], of: Seed)");
    assert_eq!(
        spliced("Json()", r#"{"a": [null, 1.0], "b\"": "\u00e4\u0001"}"#),
        r#"Json(default: {"a": [None, 1.0], "b\"": "ä\u{1}"})"#
    );
    assert_eq!(spliced("Duration()", "1m30s"), "Duration(default: \"1m30s\")");
}

#[test]
fn what_looks_like_the_declaration_is_not_taken_for_it() {
    assert_eq!(spliced("Int /* ( */ ( /* ) */ )", "4"), "Int /* ( */ (default: 4 /* ) */ )");
    assert_eq!(spliced("Int(r#doc: \"default: 1\")", "4"), "Int(default: 4, r#doc: \"default: 1\")");
    assert_eq!(spliced("r#Int", "4"), "r#Int(default: 4)");
    assert_eq!(spliced("Int(r#default: 1)", "4"), "Int(r#default: 4)");
}

#[test]
fn what_a_preset_would_not_bear_is_not_written() {
    let text = "Graph(format: 1, inputs: (x: Int(default: None)), nodes: (), presets: (none: (x: None)))";
    let graph = checked(text, &[]).unwrap();
    let said = set_default(&graph, text, "x", "4").unwrap_err().to_string();
    assert_eq!(said, "`x` would not be read as what was written: `x` takes Int, but this is `None`");
}

/// Blanks and comments, with all in them that could be taken for something else.
fn gap() -> impl Strategy<Value = String> {
    const PIECES: [&str; 9] = [
        "",
        "",
        " ",
        "\n\t",
        "/* ( */",
        "/* \" /* nested ) */ default: 5 */",
        "// x: Int(default: 1) \"\n",
        "/*ä*/",
        "\r\n",
    ];
    prop::sample::select(&PIECES[..]).prop_map(str::to_owned)
}

/// The type of an input as it is declared, what stands in its parentheses, and a value as after `--set`.
fn typed() -> impl Strategy<Value = (&'static str, &'static str, String)> {
    let text = "[ -~äß漢\n\t\"\\\\]{0,12}";
    let json = proptest::arbitrary::any::<(f64, i64, bool)>().prop_map(|(float, int, is)| {
        let float = if float.is_finite() { float } else { 0.5 };
        serde_json::json!({"a": [float, int, null], "b \"": {"c": is, "d": "e\u{1}\n"}}).to_string()
    });
    let listed = |item: BoxedStrategy<String>| {
        prop::collection::vec(item, 0..4).prop_map(|items| format!("[{}]", items.join(", "))).boxed()
    };
    let named = |ty, of, value: BoxedStrategy<String>| value.prop_map(move |value| (ty, of, value)).boxed();
    let int = any::<i64>().prop_map(|int| int.to_string()).boxed();
    let size = (1..9000, 1..9000).prop_map(|(width, height)| format!("{width}x{height}")).boxed();
    let duration = prop::sample::select(&["90s", "1m30s", "0.1ms", "0s", "3 h", "17ns"][..]).boxed();
    let duration = duration.prop_map(|text| text.trim().replace(' ', "")).boxed();
    let choice = prop::sample::select(&["Euler", "Heun"][..]).prop_map(str::to_owned).boxed();
    let seed = prop_oneof![any::<u64>().prop_map(|seed| seed.to_string()), Just("random".to_owned())].boxed();
    let quoted = text.prop_map(|text| format!("{text:?}")).boxed();
    prop_oneof![
        named("Int", "", int.clone()),
        named("Float", "", prop::num::f64::NORMAL.prop_map(|float| format!("{float:?}")).boxed()),
        named("Bool", "", any::<bool>().prop_map(|is| is.to_string()).boxed()),
        named("Text", "", text.boxed()),
        named("Size", "", size.clone()),
        named("Seed", "", seed.clone()),
        named("Duration", "", duration.clone()),
        named("Json", "", json.boxed()),
        named("Choice", "of: [Euler, Heun], ", choice.clone()),
        named("List", "of: Int, ", listed(int)),
        named("List", "of: Text, ", listed(quoted)),
        named("List", "of: Size, ", listed(size)),
        named("List", "of: Seed, ", listed(seed)),
        named("List", "of: Duration, ", listed(duration)),
        named("List", "of: Choice(of: [Euler, Heun]), ", listed(choice)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_in_any_text_is_read_back_and_all_around_it_stays(
        (ty, of, value) in typed(),
        form in 0..5_usize,
        gaps in prop::collection::vec(gap(), 12),
    ) {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = <[String; 12]>::try_from(gaps).expect("twelve");
        let head = format!(
            "{a}Graph({b}format: 1, doc: \"inputs: (x: Int(default: 1)) // \", {c}inputs:{d}(\
                before: Text(default: \"x: Int(\"),{e}x{f}:{g}"
        );
        let tail = format!("{h},{i}after: Int(default: 3 /* x */)), nodes: ({j}){k}){l}");
        // What stands before the default, the default, and what stands behind it.
        let (before, old, after) = match form {
            0 if of.is_empty() => (ty.to_owned(), "", String::new()),
            1 if of.is_empty() => (format!("{ty}{j}("), "", format!("{k})")),
            2 => (format!("{ty}{j}({k}{of}default:{l}"), "None", format!("{j})")),
            3 => (format!("{ty}({of}r#default:{l}"), "None", format!("{k},doc: \"default: 2\")")),
            _ => (format!("{ty}{j}({k}"), "", format!("{of}doc: \"( // \"{l})")),
        };
        let text = format!("{head}{before}{old}{after}{tail}");
        let graph = checked(&text, &[]).unwrap_or_else(|mistakes| panic!("{text}\n{mistakes:?}"));
        let new = set_default(&graph, &text, "x", &value).unwrap_or_else(|error| panic!("{text}\n{value}\n{error}"));
        prop_assert!(new.starts_with(&format!("{head}{before}")), "{new}");
        prop_assert!(new.ends_with(&format!("{after}{tail}")), "{new}");
        let again = checked(&new, &[]).unwrap_or_else(|mistakes| panic!("{new}\n{mistakes:?}"));
        prop_assert_eq!(again.inputs["x"].default.clone(), Some(set_input(&again, "x", &value).unwrap()));
        prop_assert_eq!(&again.inputs["after"].default, &graph.inputs["after"].default);
        prop_assert_eq!(again.nodes.len(), 0);
    }
}
