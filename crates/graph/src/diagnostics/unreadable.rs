//! `graph::unreadable`: a file is missing or may not be read.

use crate::diagnostic::Diagnostic;

pub(crate) fn unreadable(path: &str, reason: &str) -> Diagnostic {
    Diagnostic::new("graph::unreadable", format!("the file cannot be read: {path}")).help(reason)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn the_reason_is_passed_on() {
        let diagnostic = crate::Diagnostic::unreadable("a.ron", "no such file");
        expect![[r#"
            graph::unreadable: the file cannot be read: a.ron
              help: no such file
        "#]]
        .assert_eq(&render(&[diagnostic]));
    }
}
