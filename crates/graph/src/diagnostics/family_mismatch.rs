//! `graph::family-mismatch`: values of two model families meet at one node.

use std::sync::Arc;

use crate::check::types::Bound;
use crate::diagnostic::Diagnostic;
use crate::literal::Reference;
use crate::source::Source;

/// `bound` is what said that the node works in the family `known`; `origin` what made the given value one of `found`.
pub(crate) fn family_mismatch(
    source: &Arc<Source>,
    kind: &str,
    reference: &Reference,
    found: &str,
    known: &str,
    bound: Option<&Bound>,
    origin: Option<&Bound>,
) -> Diagnostic {
    let written = &source.text[reference.span.clone()];
    let ty = reference.wanted.plain();
    let param = &reference.param;
    let message = match bound {
        Some(bound) => {
            format!("`{kind}.{param}` takes {ty} of {known} as `{}` is, but `{written}` is of {found}", bound.by)
        }
        None => format!("`{kind}.{param}` takes {ty} of {known}, but `{written}` is of {found}"),
    };
    let mut diagnostic =
        Diagnostic::new("graph::family-mismatch", message).at(source, &reference.span, format!("this is of {found}"));
    if let Some(bound) = bound {
        diagnostic = diagnostic.also(&bound.span, format!("because `{}` is of {known}", bound.by));
    }
    if let Some(origin) = origin {
        diagnostic = diagnostic.also(&origin.span, format!("`{written}` is of {found} because `{}` is", origin.by));
    }
    diagnostic.help("what one family makes, another cannot read; use one model throughout, or go through a picture")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn both_nodes_are_named_and_the_cause_is_shown() {
        check_edit(
            &[
                (
                    r#"models: (klein: Flux2(weights: "tiny"))"#,
                    r#"models: (klein: Flux2(weights: "tiny"), z: ZImage(weights: "other"))"#,
                ),
                ("noise(model: klein", "noise(model: z"),
            ],
            expect![[r#"
                graph::family-mismatch: `sample.latent` takes Latent of Flux2 as `klein` is, but `noise` is of ZImage
                 >test.ron:14:46 `noise` this is of ZImage
                  test.ron:14:31 `klein` because `klein` is of Flux2
                  test.ron:13:29 `z` `noise` is of ZImage because `z` is
                  help: what one family makes, another cannot read; use one model throughout, or go through a picture
            "#]],
        );
    }

    #[test]
    fn families_travel_through_nodes_and_are_reported_once() {
        check_edit(
            &[
                (
                    r#"models: (klein: Flux2(weights: "tiny"))"#,
                    r#"models: (klein: Flux2(weights: "tiny"), z: ZImage(weights: "other"))"#,
                ),
                ("decode(model: klein", "decode(model: z"),
            ],
            expect![[r#"
                graph::family-mismatch: `decode.latent` takes Latent of ZImage as `z` is, but `latent` is of Flux2
                 >test.ron:15:41 `latent` this is of Flux2
                  test.ron:15:30 `z` because `z` is of ZImage
                  test.ron:14:31 `klein` `latent` is of Flux2 because `klein` is
                  help: what one family makes, another cannot read; use one model throughout, or go through a picture
            "#]],
        );
    }
}
