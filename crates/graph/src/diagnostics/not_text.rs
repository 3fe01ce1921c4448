//! `graph::not-text`: the file holds other bytes than UTF-8.

use crate::diagnostic::Diagnostic;

pub(crate) fn not_text(name: &str, at: usize) -> Diagnostic {
    Diagnostic::new("graph::not-text", format!("byte {at} of the file is not text in UTF-8: {name}"))
        .help("graph files are plain text; is this the right file?")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn bytes_that_are_not_text_are_refused() {
        let source = crate::Source::from_bytes("a.ron", "a.ron", b"Graph(\xff)".to_vec());
        expect![[r#"
            graph::not-text: byte 6 of the file is not text in UTF-8: a.ron
              help: graph files are plain text; is this the right file?
        "#]]
        .assert_eq(&render(&[source.unwrap_err()]));
    }
}
