//! `graph::duplicate-name`: one name stands for two things.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::source::Span;
use crate::syntax::Word;

pub(crate) fn duplicate_name(source: &Arc<Source>, word: &Word<'_>, first: &Span, what: &str) -> Diagnostic {
    Diagnostic::new("graph::duplicate-name", format!("`{}` is there twice", word.text))
        .at(source, &word.span(), format!("{what} of the same name"))
        .also(first, "the first one")
        .help_if((what == "input, model or node").then(|| "inputs, models and nodes share one namespace".to_owned()))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn inputs_models_and_nodes_share_a_namespace() {
        check_edit(
            &[("noise: noise(", "seed: noise("), ("latent: noise", "latent: seed")],
            expect![[r#"
            graph::duplicate-name: `seed` is there twice
             >test.ron:13:9 `seed` input, model or node of the same name
              test.ron:7:9 `seed` the first one
              help: inputs, models and nodes share one namespace
        "#]],
        );
    }

    #[test]
    fn a_parameter_is_given_once() {
        check_edit(
            &[("steps: steps", "steps: steps, steps: 3")],
            expect![[r#"
            graph::duplicate-name: `steps` is there twice
             >test.ron:14:79 `steps` parameter of the same name
              test.ron:14:65 `steps` the first one
        "#]],
        );
    }
}
