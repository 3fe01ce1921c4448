//! `models::unknown-lora`: a name of a LoRA that no `models.ron` holds.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::source::Span;
use crate::suggest;

pub(crate) fn unknown_lora(
    source: &Arc<Source>,
    span: &Span,
    lora: &str,
    known: &[String],
    is_model: bool,
) -> Diagnostic {
    let names = || known.iter().map(String::as_str);
    let label = match (suggest::closest(lora, names()), is_model) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, true) => "these are the weights of a whole model".to_owned(),
        (None, false) => "not among the `loras` of any `models.ron`".to_owned(),
    };
    Diagnostic::new("models::unknown-lora", format!("no `models.ron` knows the LoRA `{lora}`"))
        .at(source, span, label)
        .help(match suggest::list(lora, names()) {
            Some(names) => format!("known LoRAs: {names}"),
            None => {
                let example =
                    format!("loras: {{\"{lora}\": (family: Flux2, source: File(\"loras/{lora}.safetensors\"))}}");
                format!("there are none yet; write one into a `models.ron`: `{example}`")
            }
        })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::testing::*;

    #[test]
    fn known_loras_are_offered() {
        check_edit(
            &[(r#"weights: "tiny""#, r#"weights: "tiny", loras: ["watercolour", "tiny"]"#)],
            expect![[r#"
            models::unknown-lora: no `models.ron` knows the LoRA `watercolour`
             >test.ron:10:52 `"watercolour"` did you mean `watercolor`?
              help: known LoRAs: watercolor, woodcut
            models::unknown-lora: no `models.ron` knows the LoRA `tiny`
             >test.ron:10:67 `"tiny"` these are the weights of a whole model
              help: known LoRAs: woodcut, watercolor
        "#]],
        );
    }

    #[test]
    fn where_there_are_none_an_entry_is_shown() {
        let source = Arc::new(source("\"ink\""));
        expect![[r#"
            models::unknown-lora: no `models.ron` knows the LoRA `ink`
             >test.ron:1:1 `"ink"` not among the `loras` of any `models.ron`
              help: there are none yet; write one into a `models.ron`: `loras: {"ink": (family: Flux2, source: File("loras/ink.safetensors"))}`
        "#]].assert_eq(&render(&[unknown_lora(&source, &(0..5), "ink", &[], false)]));
    }
}
