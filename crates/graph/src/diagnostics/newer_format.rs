//! `graph::newer-format`: the file was written for a later version of this program.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::source::Span;

pub(crate) fn newer_format(source: &Arc<Source>, span: &Span, found: i64) -> Diagnostic {
    Diagnostic::new("graph::newer-format", format!("the file has format {found}, which a later version reads"))
        .at(source, span, format!("this version reads up to {}", crate::document::FORMAT))
        .help("a newer version of the program reads this file; older formats are read by all later versions")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn nothing_else_is_said_of_a_newer_file() {
        check_edit(
            &[("format: 1", "format: 3"), ("cond: text", "cond: txt")],
            expect![[r#"
            graph::newer-format: the file has format 3, which a later version reads
             >test.ron:2:13 `3` this version reads up to 1
              help: a newer version of the program reads this file; older formats are read by all later versions
        "#]],
        );
    }
}
