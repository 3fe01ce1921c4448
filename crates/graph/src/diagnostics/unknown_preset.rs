//! `input::unknown-preset`: a preset that the graph does not have.

use crate::diagnostic::Diagnostic;
use crate::graph::Graph;
use crate::suggest;

pub(crate) fn unknown_preset(graph: &Graph, name: &str) -> Diagnostic {
    let names = || graph.presets.keys().map(String::as_str);
    let message = match suggest::closest(name, names()) {
        Some(meant) => format!("there is no preset `{name}`, did you mean `{meant}`?"),
        None => format!("there is no preset `{name}`"),
    };
    Diagnostic::new("input::unknown-preset", message).help(match suggest::list(name, names()) {
        Some(names) => format!("presets: {names}"),
        None => "the graph has no presets".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn presets_are_offered() {
        let error = crate::preset(&graph(), "darft").unwrap_err();
        expect![[r#"
            input::unknown-preset: there is no preset `darft`, did you mean `draft`?
              help: presets: draft
        "#]]
        .assert_eq(&render(&[error]));
    }
}
