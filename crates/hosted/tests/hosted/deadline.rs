//! What becomes of a call that is not done in time: a job is called off or left to be fetched, and silence stays unclear.

use std::time::Duration;

use expect_test::{Expect, expect};
use rondel_testkit::servers::Stage;
use rondel_value::HostedRequest;

use crate::lab::{Lab, model, request, seed};

/// Asks twice for what does not end in time, and once when it would; with how many jobs were called off.
fn check(policy: &str, providers: &[&str], fault: &str, expected: Expect) {
    // Long enough for a machine that is busy, and side by side, since each waits for nothing.
    let outcomes: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            providers.iter().map(|provider| scope.spawn(|| outcomes(policy, provider, fault))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it asks")).collect()
    });
    let outcomes = outcomes.concat();
    // What providers call their jobs differs.
    let words: Vec<&str> = outcomes.split(' ').collect();
    let is_job = |i: usize| i > 0 && words[i - 1] == "job";
    let words: Vec<&str> = words.iter().enumerate().map(|(i, word)| if is_job(i) { "JOB" } else { word }).collect();
    expected.assert_eq(&words.join(" "));
}

/// What comes of it at one provider.
fn outcomes(policy: &str, provider: &str, fault: &str) -> String {
    let mut lab = Lab::allowing();
    let mut outcomes = String::new();
    lab.file = lab.file.replace("format: 1,", &format!("format: 1, policy: ({policy}),"));
    lab.patience.deadline = Duration::from_secs(2);
    lab.servers.fail(fault);
    let asked = HostedRequest { model: model(provider), seed: seed(provider), ..request(provider, "a boat") };
    for attempt in ["first", "again"] {
        outcomes.push_str(&format!("{attempt}: {}\n", lab.outcome(&asked, &[])));
    }
    let journal = lab.servers.journal();
    let n_cancels = journal.iter().filter(|entry| entry.stage == Some(Stage::Cancel)).count();
    lab.servers.recover();
    lab.patience.deadline = Duration::from_secs(10);
    outcomes.push_str(&format!("at last, after {n_cancels} cancels: {}\n", lab.outcome(&asked, &[])));
    outcomes
}

#[test]
fn a_job_is_called_off_where_it_can_be() {
    check(
        "",
        &["fal", "replicate", "bfl"],
        "submit never",
        expect![[r#"
        first: Failed: fal: it took too long: it was not done after 2 s [1]
        again: Failed: fal: it took too long: it was not done after 2 s [1]
        at last, after 2 cancels: 512×512 of fal [1]
        first: Failed: replicate: it took too long: it was not done after 2 s [1]
        again: Failed: replicate: it took too long: it was not done after 2 s [1]
        at last, after 2 cancels: 512×512 of replicate [1]
        first: Failed: bfl: it took too long: it was not done after 2 s; its job JOB cannot be stopped, and the next run fetches it; to give it up, say `rondel costs --close ID` [1]
        again: Failed: bfl: it took too long: it was not done after 2 s; its job JOB cannot be stopped, and the next run fetches it; to give it up, say `rondel costs --close ID` [0]
        at last, after 0 cancels: 512×512 of bfl [0]
    "#]],
    );
}

#[test]
fn a_job_is_left_if_that_is_wished() {
    check(
        "on_deadline: Leave",
        &["fal", "replicate"],
        "submit never",
        expect![[r#"
        first: Failed: fal: it took too long: it was not done after 2 s; its job JOB goes on, and the next run fetches it; to give it up, say `rondel costs --close ID` [1]
        again: Failed: fal: it took too long: it was not done after 2 s; its job JOB goes on, and the next run fetches it; to give it up, say `rondel costs --close ID` [0]
        at last, after 0 cancels: 512×512 of fal [0]
        first: Failed: replicate: it took too long: it was not done after 2 s; its job JOB goes on, and the next run fetches it; to give it up, say `rondel costs --close ID` [1]
        again: Failed: replicate: it took too long: it was not done after 2 s; its job JOB goes on, and the next run fetches it; to give it up, say `rondel costs --close ID` [0]
        at last, after 0 cancels: 512×512 of replicate [0]
    "#]],
    );
}

#[test]
fn silence_stays_unclear() {
    check(
        "",
        &["lumenfall", "openai", "together", "fal"],
        "submit hang",
        expect![[r#"
        first: Failed: lumenfall: it took too long: it was not done after 2 s; it may have been billed; to give it up, say `rondel costs --close ID` [1]
        again: Failed: an earlier attempt at these pictures went out to lumenfall and no answer came, so it may have been billed ($0.014): look there for it, then say `rondel costs --close ID` to ask anew [0]
        at last, after 0 cancels: Failed: an earlier attempt at these pictures went out to lumenfall and no answer came, so it may have been billed ($0.014): look there for it, then say `rondel costs --close ID` to ask anew [0]
        first: Failed: openai: it took too long: it was not done after 2 s; it may have been billed; to give it up, say `rondel costs --close ID` [1]
        again: Failed: an earlier attempt at these pictures went out to openai and no answer came, so it may have been billed (unknown): look there for it, then say `rondel costs --close ID` to ask anew [0]
        at last, after 0 cancels: Failed: an earlier attempt at these pictures went out to openai and no answer came, so it may have been billed (unknown): look there for it, then say `rondel costs --close ID` to ask anew [0]
        first: Failed: together: it took too long: it was not done after 2 s; it may have been billed; to give it up, say `rondel costs --close ID` [1]
        again: Failed: an earlier attempt at these pictures went out to together and no answer came, so it may have been billed (unknown): look there for it, then say `rondel costs --close ID` to ask anew [0]
        at last, after 0 cancels: Failed: an earlier attempt at these pictures went out to together and no answer came, so it may have been billed (unknown): look there for it, then say `rondel costs --close ID` to ask anew [0]
        first: Failed: fal: it took too long: it was not done after 2 s; it may have been billed; to give it up, say `rondel costs --close ID` [1]
        again: Failed: an earlier attempt at these pictures went out to fal and no answer came, so it may have been billed ($0.012): look there for it, then say `rondel costs --close ID` to ask anew [0]
        at last, after 0 cancels: Failed: an earlier attempt at these pictures went out to fal and no answer came, so it may have been billed ($0.012): look there for it, then say `rondel costs --close ID` to ask anew [0]
    "#]],
    );
}
