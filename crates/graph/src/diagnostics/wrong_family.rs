//! `models::wrong-family`: weights, or a LoRA, of another family than the graph says.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use crate::syntax::Word;

pub(crate) fn wrong_family(
    source: &Arc<Source>,
    family: &Word<'_>,
    name: &str,
    weights: &str,
    found: &str,
) -> Diagnostic {
    let message = format!("`{name}` is declared {}, but the weights `{weights}` are {found}", family.text);
    Diagnostic::new("models::wrong-family", message)
        .at(source, &family.span(), format!("`models.ron` says {found}"))
        .help(format!("use weights of {}, or declare `{name}: {found}(…)`", family.text))
}

/// A LoRA that was made for another family than the model that it is added to.
pub(crate) fn of_a_lora(
    source: &Arc<Source>,
    family: &Word<'_>,
    span: &Span,
    name: &str,
    lora: &str,
    found: &str,
) -> Diagnostic {
    let message = format!("`{name}` is declared {}, but the LoRA `{lora}` is for {found}", family.text);
    Diagnostic::new("models::wrong-family", message)
        .at(source, span, format!("`models.ron` says {found}"))
        .also(&family.span(), format!("declared {} here", family.text))
        .help(format!("a LoRA fits the family that it was made for; take one for {}", family.text))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_declared_family_is_that_of_the_weights() {
        check_edit(
            &[(r#"Flux2(weights: "tiny")"#, r#"Flux2(weights: "other")"#)],
            expect![[r#"
            models::wrong-family: `klein` is declared Flux2, but the weights `other` are ZImage
             >test.ron:10:21 `Flux2` `models.ron` says ZImage
              help: use weights of Flux2, or declare `klein: ZImage(…)`
        "#]],
        );
    }

    #[test]
    fn a_swap_keeps_the_family() {
        check_swap(
            "klein",
            "other",
            expect![[r#"
            models::wrong-family: `klein` is declared Flux2, but the weights `other` are ZImage
             >test.ron:10:21 `Flux2` `models.ron` says ZImage
              help: use weights of Flux2, or declare `klein: ZImage(…)`
        "#]],
        );
    }

    #[test]
    fn a_lora_is_of_the_family_of_its_model() {
        check_edit(
            &[(r#"weights: "tiny""#, r#"weights: "tiny", loras: ["woodcut"]"#)],
            expect![[r#"
            models::wrong-family: `klein` is declared Flux2, but the LoRA `woodcut` is for ZImage
             >test.ron:10:52 `"woodcut"` `models.ron` says ZImage
              test.ron:10:21 `Flux2` declared Flux2 here
              help: a LoRA fits the family that it was made for; take one for Flux2
        "#]],
        );
    }
}
