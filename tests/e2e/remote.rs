//! Results that machines share.

use std::fs;

use rondel_event::How;
use serde_json::Value;

use crate::fixture::{Project, ran, root, said, those};

const GRAPH: &str = "text_to_image.ron";

/// A folder that machines share, as an address.
fn shared(project: &Project) -> String {
    format!("file://{}", project.path("shared").display())
}

#[test]
fn another_machine_makes_nothing_but_the_file() {
    let first = Project::with(&[GRAPH]);
    let url = shared(&first);
    let made = first.run(GRAPH, &["--remote-url", &url, "--remote", "readwrite"]);
    assert_eq!(made.remote.expect("a tier was used").n_put, 6, "all but the file");
    let planner = Project::with(&[GRAPH]);
    let plan = planner.rondel(&["plan", GRAPH, "--remote-url", &url, "--format", "json"]);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("JSON");
    let runs = plan["steps"].as_array().expect("steps").iter().filter(|step| step["will"] == "run");
    assert_eq!(runs.map(|step| step["name"].as_str().expect("a name")).collect::<Vec<_>>(), ["saved"]);
    let other = Project::with(&[GRAPH]);
    let taken = other.run(GRAPH, &["--remote-url", &url]);
    assert_eq!(ran(&taken), "saved");
    assert_eq!(those(&taken, How::KnownByRecipe), "words, text, blank, noise, latent, image");
    assert_eq!(taken.outputs[0], made.outputs[0]);
    assert_eq!(taken.remote.map(|remote| (remote.n_put, remote.n_failed)), Some((0, 0)));
    // It tells so afterwards, and needs nobody for what it fetched.
    let stats = other.rondel(&["cache", "stats", "--remote-url", &url]).stdout;
    assert!(stats.contains(&url) && stats.contains("in the newest run: "), "{stats}");
    assert_eq!(ran(&other.run(GRAPH, &["--only", "image"])), "");
}

#[test]
fn nothing_of_where_things_are_is_shared() {
    let project = Project::with(&[GRAPH]);
    project.run(GRAPH, &["--remote-url", &shared(&project), "--remote", "readwrite"]);
    let mut open = vec![project.path("shared")];
    let mut n_files = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        n_files += 1;
        let text = String::from_utf8_lossy(&fs::read(&path).expect("a file")).into_owned();
        for place in [project.path("").display().to_string(), root().display().to_string()] {
            assert!(!text.contains(&place), "{place} stands in {}", path.display());
        }
    }
    assert!(n_files > 12, "records, recipes and blobs");
}

#[test]
fn a_tier_that_is_gone_is_said_and_changes_nothing_else() {
    let project = Project::with(&[GRAPH]);
    // Where a folder should be, there is a file.
    project.write("shared", "no folder");
    let url = shared(&project);
    let (said, report) = project.try_run(GRAPH, &["--remote-url", &url, "--remote", "readwrite", "--plain"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let remote = report.remote.expect("a tier was tried");
    assert_eq!((remote.n_put, remote.n_left), (0, 6));
    assert!(said.stderr.contains("warn   the remote tier is "), "{}", said.stderr);
    let doctor = project.rondel(&["doctor", "--remote-url", &url]);
    assert_eq!(doctor.code, Some(1));
    assert!(doctor.stdout.contains("is of no use, runs go without it"), "{}", doctor.stdout);
}

#[test]
fn doctor_says_whether_the_tier_answers() {
    let project = Project::new();
    assert!(project.rondel(&["doctor"]).stdout.contains("remote    none"));
    let said_of_shared = || {
        let mut command = project.command(&["doctor"]);
        command.env("RONDEL_REMOTE", shared(&project));
        let said = said(command);
        assert_eq!(said.code, Some(0), "{}", said.stdout);
        let line = said.stdout.lines().find_map(|line| line.strip_prefix("remote    ")).expect("a line of its own");
        line.replace(&shared(&project), "URL")
    };
    assert_eq!(said_of_shared(), "URL (is not there yet, the first run with `--remote readwrite` makes it)");
    fs::create_dir(project.path("shared")).expect("a folder");
    assert_eq!(said_of_shared(), "URL (answers)");
}

#[test]
fn a_mode_without_an_address_and_an_address_that_is_none_are_told() {
    let project = Project::with(&[GRAPH]);
    let said = project.rondel(&["run", GRAPH, "--remote", "readwrite"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("`--remote readwrite` needs an address: add `--remote-url "), "{}", said.stderr);
    let said = project.rondel(&["run", GRAPH, "--remote-url", "/shared/results"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("or file:///folder"), "{}", said.stderr);
    assert_eq!(project.rondel(&["run", GRAPH, "--remote", "off", "--remote-url", "nonsense"]).code, Some(0));
}

#[test]
fn what_was_made_before_there_was_a_place_to_share_is_shared_by_a_run_that_makes_nothing() {
    let project = Project::with(&[GRAPH]);
    project.run(GRAPH, &[]);
    let url = shared(&project);
    let again = project.run(GRAPH, &["--remote-url", &url, "--remote", "readwrite"]);
    assert_eq!((&*ran(&again), again.remote.map(|remote| remote.n_put)), ("", Some(6)));
    let other = Project::with(&[GRAPH]);
    assert_eq!(ran(&other.run(GRAPH, &["--remote-url", &url, "--set", "seed=8"])), "noise, latent, image, saved");
}

#[cfg(feature = "cloud")]
mod over_the_wire {
    use std::io;
    use std::process::Stdio;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::{GRAPH, Project, ran, said};
    use crate::server::Pages;

    /// Longer than any run here takes.
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_run_killed_while_it_shares_leaves_nothing_half_and_the_next_one_shares() {
        let (waits, waiting) = channel();
        let is_stuck = Arc::new(AtomicBool::new(true));
        let stuck = is_stuck.clone();
        let server = Pages::serve(move |first| {
            if first.starts_with("PUT") && stuck.load(Ordering::Relaxed) {
                waits.send(()).expect("the test waits");
                loop {
                    thread::park();
                }
            }
            Ok(None)
        });
        let (url, project) = (format!("{}/results", server.url), Project::with(&[GRAPH]));
        let sharing = ["--remote-url", &*url, "--remote", "readwrite"];
        let mut command = project.command(&[&["run", GRAPH], &sharing[..]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        // Each result waits for its first object; so all are made.
        (0..6).for_each(|_| waiting.recv_timeout(LONG).expect("six objects come"));
        child.kill().expect("it waits");
        child.wait().expect("it was killed");
        assert_eq!(server.paths(), Vec::<String>::new());
        is_stuck.store(false, Ordering::Relaxed);
        let next = project.run(GRAPH, &sharing);
        assert!(["", "saved"].contains(&&*ran(&next)), "{}", ran(&next));
        assert_eq!(next.remote.map(|remote| (remote.n_put, remote.n_left)), Some((6, 0)));
        assert_eq!(ran(&Project::with(&[GRAPH]).run(GRAPH, &["--remote-url", &url])), "saved");
    }

    #[test]
    fn a_server_that_dies_in_the_middle_of_a_run_is_said_and_changes_nothing_else() {
        let n_asked = AtomicUsize::new(0);
        // Six are looked for before anything runs; the rest is some of what goes up.
        let server = Pages::serve(move |_| match n_asked.fetch_add(1, Ordering::Relaxed) {
            0..12 => Ok(None),
            _ => Err(io::ErrorKind::ConnectionReset.into()),
        });
        let project = Project::with(&[GRAPH]);
        let url = format!("{}/results", server.url);
        let (said, report) = project.try_run(GRAPH, &["--remote-url", &url, "--remote", "readwrite"]);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert!(said.stderr.contains("the remote tier is gone without: 5 requests in a row"), "{}", said.stderr);
        assert!(report.remote.is_some_and(|remote| remote.n_left > 0));
        let alone = Project::with(&[GRAPH]).run(GRAPH, &[]);
        assert_eq!(report.outputs[0].digest, alone.outputs[0].digest);
    }

    #[test]
    fn a_bucket_that_is_not_there_is_said_by_doctor_and_once_by_a_run() {
        let no_bucket = "<Error><Code>NoSuchBucket</Code><Message>The bucket does not exist</Message></Error>";
        let server = Pages::serve(move |_| Ok(Some(("404 Not Found", no_bucket))));
        let project = Project::with(&[GRAPH]);
        let with_bucket = |args: &[&str]| {
            let mut command = project.command(&[args, &["--remote-url", "s3://nowhere/results"]].concat());
            command.env("AWS_ENDPOINT", &server.url).env("AWS_ALLOW_HTTP", "true");
            command.env("AWS_ACCESS_KEY_ID", "me").env("AWS_SECRET_ACCESS_KEY", "secret");
            said(command)
        };
        let doctor = with_bucket(&["doctor"]);
        assert_eq!(doctor.code, Some(1));
        let what = "there is no such bucket: make it, or correct the address, s3://nowhere/results (NoSuchBucket: ";
        assert!(doctor.stdout.contains(what), "{}", doctor.stdout);
        let run = with_bucket(&["run", GRAPH, "--remote", "readwrite", "--plain"]);
        assert_eq!((run.code, run.stderr.matches(what).count()), (Some(0), 1), "{}", run.stderr);
        assert!(server.asked().iter().all(|asked| !asked.starts_with("PUT")));
    }
}
