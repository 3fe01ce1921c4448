//! `models::unknown-swap`: `--model` names a model that the graph does not have.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::suggest;

pub(crate) fn unknown_swap(name: &str, weights: &str, known: &BTreeSet<String>) -> Diagnostic {
    let names = || known.iter().map(String::as_str);
    let message = match suggest::closest(name, names()) {
        Some(meant) => format!("`--model {name}={weights}`: no model is called `{name}`, did you mean `{meant}`?"),
        None => format!("`--model {name}={weights}`: no model is called `{name}`"),
    };
    Diagnostic::new("models::unknown-swap", message).help(match suggest::list(name, names()) {
        Some(names) => format!("models of this graph: {names}"),
        None => "the graph uses no models".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn models_of_the_graph_are_offered() {
        check_swap(
            "kline",
            "other",
            expect![[r#"
            models::unknown-swap: `--model kline=other`: no model is called `kline`
              help: models of this graph: klein
        "#]],
        );
    }
}
