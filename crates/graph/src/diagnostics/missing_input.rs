//! `input::missing`: an input without a default that was not given.

use rondel_value::Type;

use crate::diagnostic::Diagnostic;
use crate::graph::Graph;
use crate::graph::Input;

pub(crate) fn missing_input(graph: &Graph, input: &Input) -> Diagnostic {
    let name = &input.name;
    let example = match input.ty.required() {
        Type::Size => "1024x768",
        Type::Image | Type::Mask => "picture.png",
        Type::Int | Type::Seed => "4",
        Type::Float => "0.5",
        Type::Bool => "true",
        Type::Duration => "90s",
        _ => "…",
    };
    Diagnostic::new("input::missing", format!("the input `{name}` is not set"))
        .at(&graph.source, &input.span, "has no default")
        .help(format!("add `--set {name}={example}`"))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn an_input_without_a_default_has_to_be_given() {
        let graph = edited(&[("default: \"a fox\"", "doc: \"What to draw\"")]).unwrap();
        expect![[r#"
            input::missing: the input `prompt` is not set
             >test.ron:4:9 `prompt: Text(doc: "What to draw")` has no default
              help: add `--set prompt=…`
        "#]]
        .assert_eq(&render(&crate::missing_inputs(&graph, |_| false)));
        assert!(crate::missing_inputs(&graph, |name| name == "prompt").is_empty());
    }
}
