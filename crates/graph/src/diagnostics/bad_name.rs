//! `graph::bad-name`: a name that is not in lowercase.
//!
//! A capital means a choice or a constructor, so a node that had one could not be referred to.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::syntax::Word;

pub(crate) fn bad_name(source: &Arc<Source>, word: &Word<'_>) -> Diagnostic {
    let mut better = String::new();
    for c in word.text.chars() {
        if c.is_ascii_uppercase() && better.ends_with(|c: char| c.is_ascii_lowercase()) {
            better.push('_');
        }
        if c.is_ascii_alphanumeric() || c == '_' {
            better.push(c.to_ascii_lowercase());
        }
    }
    let better = better.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let label = match better.is_empty() {
        true => "not a lowercase name".to_owned(),
        false => format!("write `{better}`"),
    };
    Diagnostic::new("graph::bad-name", format!("`{}` is not a lowercase name", word.text))
        .at(source, &word.span(), label)
        .help("names begin with a lowercase letter and go on with lowercase letters, digits and `_`")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_name_with_capitals_is_refused() {
        check_edit(
            &[("saved: save", "savedImage: save"), (", file: saved", "")],
            expect![[r#"
            graph::bad-name: `savedImage` is not a lowercase name
             >test.ron:16:9 `savedImage` write `saved_image`
              help: names begin with a lowercase letter and go on with lowercase letters, digits and `_`
        "#]],
        );
    }
}
