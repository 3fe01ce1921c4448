//! Snapshots of specifications.

use expect_test::Expect;
use rondel_sdk::{Run, spec};

/// Compares the specification of a kind with what it was, and finds mistakes in it.
///
/// A change that changes results for equal inputs needs a new version: the version is part of every key.
pub fn check_spec<N: Run>(expected: Expect) {
    let spec = spec::<N>();
    assert_eq!(spec.mistakes(), Vec::<String>::new());
    expected.assert_eq(&serde_json::to_string_pretty(&spec).expect("a specification has a JSON form"));
}
