//! `graph::unknown-type`: an input of a type that does not exist or cannot be set from outside.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::suggest;
use crate::syntax::Word;

pub(crate) fn unknown_type(source: &Arc<Source>, word: &Word<'_>, known: &[&str]) -> Diagnostic {
    let label = match suggest::closest(word.text, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "not a type that an input can have".to_owned(),
    };
    Diagnostic::new("graph::unknown-type", format!("no input can be of type `{}`", word.text))
        .at(source, &word.span(), label)
        .help(format!("types of inputs: {}", suggest::join(known.iter().copied())))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_type_with_a_slip_is_recognised() {
        check_edit(
            &[("steps: Int(", "steps: Imt(")],
            expect![[r#"
            graph::unknown-type: no input can be of type `Imt`
             >test.ron:6:16 `Imt` did you mean `Int`?
              help: types of inputs: Text, Int, Float, Bool, Seed, Size, Choice, Image, Mask, Json, Duration, List
        "#]],
        );
    }

    #[test]
    fn latents_are_not_set_from_outside() {
        check_edit(
            &[("steps: Int(default: 4, range: 1..=50)", "steps: Latent()")],
            expect![[r#"
            graph::unknown-type: no input can be of type `Latent`
             >test.ron:6:16 `Latent` not a type that an input can have
              help: types of inputs: Text, Int, Float, Bool, Seed, Size, Choice, Image, Mask, Json, Duration, List
        "#]],
        );
    }
}
