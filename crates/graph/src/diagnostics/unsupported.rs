//! `graph::unsupported`: a part of the format that this version does not carry out.
//!
//! It is refused and not skipped: a file must not mean less than it says.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::syntax::Word;

/// A key or a word in a place where `known` are understood.
pub(crate) fn key(source: &Arc<Source>, word: &Word<'_>, known: &str) -> Diagnostic {
    Diagnostic::new("graph::unsupported", format!("`{}` is not supported by this version", word.text))
        .at(source, &word.span(), "not supported yet")
        .help(format!("supported: {known}"))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn settings_of_later_versions_are_refused() {
        check_edit(
            &[("latent: latent)", r#"latent: latent, with: (salt: 2, lane: Gpu(1), cache: For("7d")))"#)],
            expect![[r#"
                graph::unsupported: `lane` is not supported by this version
                 >test.ron:15:69 `lane` not supported yet
                  help: supported: salt, label, cache, timeout, retry
                graph::unsupported: `For` is not supported by this version
                 >test.ron:15:90 `For` not supported yet
                  help: supported: Never
            "#]],
        );
    }
}
