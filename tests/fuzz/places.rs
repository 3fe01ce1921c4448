//! What holds of every mistake, whatever file it is in.

use rondel_graph::Diagnostic;

/// Fails if a mistake points out of its file, into the middle of a character, or nowhere although it has a file.
pub fn check(mistakes: &[Diagnostic]) {
    for mistake in mistakes {
        assert!(!mistake.message.is_empty() && !mistake.code.is_empty());
        assert!(mistake.source.is_some() || mistake.labels.is_empty(), "a place in no file: {mistake:?}");
        for label in &mistake.labels {
            let text = &mistake.source.as_ref().expect("seen above").text;
            assert!(text.get(label.span.clone()).is_some(), "{:?} is no place of the file: {mistake:?}", label.span);
        }
        mistake.to_json();
    }
}
