//! `graph::empty`: the file holds nothing.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;

pub(crate) fn empty(source: &Arc<Source>, constructor: &str) -> Diagnostic {
    Diagnostic::new("graph::empty", "the file is empty").at(source, &(0..0), "").help(match constructor {
        "Graph" => "the smallest graph is `Graph(format: 1, nodes: ())`",
        _ => "the smallest file of weights is `Models(format: 1, models: {})`",
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_blank_file_is_empty() {
        check_text(
            " \n",
            expect![[r#"
            graph::empty: the file is empty
             >test.ron:1:1 `` 
              help: the smallest graph is `Graph(format: 1, nodes: ())`
        "#]],
        );
    }
}
