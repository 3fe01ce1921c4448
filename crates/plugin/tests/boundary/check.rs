//! Plugins that are checked: one that is right, and the same with one thing wrong.

use std::path::Path;
use std::time::Duration;

use rondel_plugin::check::{CheckOptions, Finding, check};
use tempfile::TempDir;

use crate::c_plugin::compile;
use crate::host::registry;

/// What is found in `tests/plugin_c/NAME.c`, after each text was replaced by another.
fn findings(name: &str, edits: &[(&str, &str)], patience_ms: u64) -> Vec<Finding> {
    let folder = TempDir::new().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/plugin_c/{name}.c"));
    let mut text = std::fs::read_to_string(source).unwrap();
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let edited = folder.path().join(format!("{name}.c"));
    std::fs::write(&edited, text).unwrap();
    let library = folder.path().join(format!("lib{name}.{}", std::env::consts::DLL_EXTENSION));
    compile(&edited, &library, &[]);
    let mut registry = registry();
    registry.add_file(&library, &folder.path().join("copies")).unwrap();
    let lab = folder.path().join("lab");
    std::fs::create_dir(&lab).unwrap();
    let mut found = Vec::new();
    let options = CheckOptions { folder: lab, patience: Duration::from_millis(patience_ms) };
    check(&registry, &options, &mut |finding| found.push(finding)).unwrap();
    found.retain(|finding| !matches!(finding, Finding::Begins(_) | Finding::Ran(_)));
    found
}

/// The one thing that is wrong with `glow` after an edit.
fn problem(edits: &[(&str, &str)]) -> String {
    let mut problems = findings("glow", edits, 10_000);
    problems.retain(|finding| matches!(finding, Finding::Problem(_)));
    match &problems[..] {
        [Finding::Problem(problem)] => problem.clone(),
        other => panic!("one problem expected: {other:?}"),
    }
}

/// As it stands in the C file, quotes escaped.
const IMPURE: (&str, &str) = (r#"\"category\""#, r#"\"impure\": true, \"category\""#);

const RELEASED: &str = "    lifted->release(lifted); /* ours, whatever happened */\n";

#[test]
fn a_plugin_that_is_right_passes_without_a_word() {
    assert_eq!(findings("glow", &[], 10_000), []);
}

#[test]
fn what_people_will_miss_is_remarked() {
    let doc = r#" \"doc\": \"The picture; any size.\""#;
    let remark = "`c.glow` says nothing of its inputs `image`";
    assert_eq!(findings("glow", &[(&format!(",{doc}"), "")], 10_000), [Finding::Remark(remark.to_owned())]);
}

#[test]
fn a_bundle_of_the_host_that_is_never_let_go_is_found() {
    let said = problem(&[(RELEASED, "")]);
    assert!(said.starts_with("`c.glow` never let go of") && said.contains("that the host built for it"), "{said}");
}

#[test]
fn two_bundles_of_the_host_that_are_kept_until_others_come_are_no_leak() {
    let cache = "    static rondel_bundle *kept[2];
    static unsigned n_runs;
    unsigned at = __atomic_fetch_add(&n_runs, 1, __ATOMIC_RELAXED) % 2;
    rondel_bundle *before = __atomic_exchange_n(&kept[at], lifted, __ATOMIC_ACQ_REL);
    if (before) before->release(before);\n";
    assert_eq!(findings("glow", &[(RELEASED, cache)], 10_000), []);
}

#[test]
fn a_bundle_that_is_kept_by_runs_that_are_stopped_is_found() {
    let said = problem(&[(RELEASED, &format!("    if (status == RONDEL_OK)\n    {RELEASED}"))]);
    assert!(said.starts_with("`c.glow` never let go of"), "{said}");
}

#[test]
fn an_input_that_is_kept_for_ever_is_found() {
    let said = problem(&[(RELEASED, &format!("{RELEASED}    image->retain(image);\n"))]);
    assert_eq!(said, "`c.glow` never lets go of its inputs; release what was retained");
}

#[test]
fn an_input_that_is_kept_when_all_went_well_is_found() {
    let said = problem(&[(RELEASED, &format!("{RELEASED}    if (status == RONDEL_OK) image->retain(image);\n"))]);
    assert_eq!(said, "`c.glow` never lets go of its inputs; release what was retained");
}

#[test]
fn a_part_of_a_result_that_is_given_as_one_is_found() {
    let said = problem(&[(
        "if (run && run->cancelled(call)) return RONDEL_CANCELLED;",
        "if (run && run->cancelled(call)) break;",
    )]);
    assert_eq!(said, "`c.glow` gives another result when it is cancelled; it must say that it was, and give none");
}

#[test]
fn an_input_that_is_kept_until_the_next_is_no_leak() {
    let kept = "    static const rondel_bundle *kept;\n    static int lock;\n    image->retain(image);\n    \
                while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) {}\n    if (kept) kept->release(kept);\n    \
                kept = image;\n    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);\n";
    let found = findings("glow", &[(RELEASED, &format!("{RELEASED}{kept}"))], 10_000);
    assert!(!found.iter().any(|finding| matches!(finding, Finding::Problem(_))), "{found:?}");
}

#[test]
fn another_result_for_equal_inputs_is_found() {
    let lift = "const double lift = call->inputs[1].as.f";
    let drift = "static double drift;\n    const double lift = call->inputs[1].as.f + (drift += 0.01)";
    let edits = [(lift, drift), (r#"\"default\": 0.5"#, r#"\"default\": 0.1"#)];
    let found = findings("glow", &edits, 10_000);
    let said = "`c.glow` gives another `image` another time for equal inputs; declare it `impure`, or let no time, chance or \
                order of threads into it";
    assert!(found.contains(&Finding::Problem(said.to_owned())), "{found:?}");
    // It may, if it says so.
    let found = findings("glow", &[edits[0], edits[1], (IMPURE.0, IMPURE.1)], 10_000);
    assert!(!found.iter().any(|finding| matches!(finding, Finding::Problem(_))), "{found:?}");
}

#[test]
fn an_input_that_enters_no_key_and_decides_the_result_is_found() {
    let port = r#"\"default\": 0.5"#;
    let unkeyed = (port, &*format!(r#"\"unkeyed\": true, {port}"#));
    let said = "`c.glow` gives another result for another value at `lift`, which enters no key; take `unkeyed` away from what \
                decides the result";
    assert_eq!(problem(&[unkeyed]), said);
    // A limit that refuses is what it is for, and one that changes nothing as well.
    let lift = "const double lift = call->inputs[1].as.f;";
    let limit = "if (call->inputs[1].as.f > 0.6) return fail(call, RONDEL_FAILED, 1, STR(\"too much\"));\n    \
                 const double lift = 0.5;";
    let found = findings("glow", &[unkeyed, (lift, limit)], 10_000);
    let refuses =
        "`c.glow` refuses made-up inputs, with another value at `lift`, which enters no key at `lift`: too much";
    assert_eq!(found, [Finding::Remark(refuses.to_owned())]);
    let nothing = "const double lift = 0.5;";
    assert_eq!(findings("glow", &[unkeyed, (lift, nothing)], 10_000), []);
    // What admits nothing else cannot be looked at.
    let found = findings("glow", &[unkeyed, ("[0, 1]", "[0.5, 0.5]")], 10_000);
    let same = "`c.glow` was not run with another value at `lift`, which enters no key: none can be made up";
    assert_eq!(found, [Finding::Remark(same.to_owned())]);
}

#[test]
fn a_kind_that_goes_on_when_it_is_cancelled_is_found() {
    let said = problem(&[("        if (run && run->cancelled(call)) return RONDEL_CANCELLED;\n", "")]);
    assert_eq!(said, "`c.glow` goes on to its end when it is cancelled on its way");
}

#[test]
fn a_kind_that_says_it_is_done_and_gives_nothing_is_found() {
    let said = problem(&[("status = call->set_output(call, 0, &output);", "(void)output;")]);
    assert!(said.contains("breaks the contract") && said.contains("did not set its output `image`"), "{said}");
}

#[test]
fn a_kind_that_refuses_its_inputs_is_only_remarked() {
    let found = findings("glow", &[("pixels->dtype_code == 1 &&", "pixels->dtype_code == 9 &&")], 10_000);
    let refuses = "`c.glow` refuses made-up inputs, with what has to be given at `image`: 8-bit pixels wanted";
    assert!(found.contains(&Finding::Remark(refuses.to_owned())), "{found:?}");
    assert!(!found.iter().any(|finding| matches!(finding, Finding::Problem(_))), "{found:?}");
}

#[test]
fn a_kind_that_never_ends_is_told_from_one_that_never_stops() {
    let found = findings("pause", &[], 50);
    let deaf = "`c.deaf` does not end in 0.05 s, nor in as many when it is cancelled";
    assert_eq!(found, [Finding::Problem(deaf.to_owned())], "what else is there cannot be looked at");
    // It has as long to stop, which on a busy machine is to be long enough.
    let found = findings(
        "pause",
        &[
            ("{.struct_size = sizeof(rondel_node), .spec_json = SPEC(\"c.deaf\"), .run = deaf},", ""),
            ("static rondel_status deaf", "__attribute__((unused)) static rondel_status deaf"),
        ],
        2000,
    );
    let nap = "`c.nap` does not end in 2 s with made-up inputs; it stops when it is cancelled";
    assert_eq!(found, [Finding::Remark(nap.to_owned())]);
}
