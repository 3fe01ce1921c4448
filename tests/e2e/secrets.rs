//! Keys of providers: in the requests that need them, and nowhere else.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Child;

use rondel_testkit::servers::{Origin, Provider};

use crate::fixture::{Said, said};
use crate::providers::Hosted;

/// Those with a protocol of their own.
const PROVIDERS: [Provider; 6] =
    [Provider::Fal, Provider::Replicate, Provider::Lumenfall, Provider::Bfl, Provider::OpenAi, Provider::Together];

/// A graph with one picture of a provider, with `more` parameters, which may be asked even if nobody knows for how much.
fn hosted(provider: Provider, more: &str) -> Hosted {
    let seed = if provider == Provider::OpenAi { "seed: seed," } else { "" };
    let hosted = Hosted::with(provider.name(), more);
    if !seed.is_empty() {
        // It takes none.
        hosted.project.edit("hosted.ron", seed, "");
    }
    hosted.project.write(
        "home/config/rondel/providers.ron",
        "Providers(format: 1, spend: (unknown_prices: Allow, calls_a_day: 100))",
    );
    hosted
}

/// The key, and the part of it that nobody may guess.
fn secrets(provider: Provider) -> [&'static str; 2] {
    [provider.key(), provider.key().split([':', '.']).next_back().expect("a part")]
}

#[test]
fn no_key_is_in_anything_that_a_run_leaves() {
    for provider in PROVIDERS {
        // Errors are where keys get out.
        for faults in ["", "submit 401", "submit refused", "picture 403"] {
            let hosted = hosted(provider, "");
            hosted.servers.fail(faults);
            let args = ["--events", "events.jsonl", "--previews", "previews", "--hosted-record", "recorded"];
            let (run, report) = hosted.run(&args);
            assert!(!faults.is_empty() || report.exit_code == 0, "{}: {}", provider.name(), run.stderr);
            let more: [&[&str]; 4] =
                [&["doctor"], &["costs", "--by", "call", "--json"], &["plan", "hosted.ron"], &["run", "hosted.ron"]];
            let n_more = if faults.is_empty() { more.len() } else { 1 };
            let all = more[..n_more].iter().map(|args| hosted.rondel(args)).chain([run]);
            let said: Vec<String> = all.flat_map(|Said { stdout, stderr, .. }| [stdout, stderr]).collect();
            for secret in secrets(provider) {
                assert!(!said.iter().any(|text| text.contains(secret)), "{} {faults}: {said:?}", provider.name());
                let n_files = without(&hosted.project.path(""), secret);
                assert!(n_files > 4, "a report, events, a ledger and a record of the run");
            }
        }
    }
}

/// Fails if a file below a folder holds a word; the number of files.
fn without(folder: &Path, word: &str) -> usize {
    let mut n_files = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            n_files += without(&path, word);
        } else {
            n_files += 1;
            let bytes = fs::read(&path).expect("a file");
            let is_clean = !holds(&bytes, word) && !texts(&bytes).iter().any(|text| text.contains(word));
            assert!(is_clean, "the key stands in {}", path.display());
        }
    }
    n_files
}

/// The texts that a PNG carries, unpacked; none of anything else.
fn texts(bytes: &[u8]) -> Vec<String> {
    let Ok(reader) = png::Decoder::new(io::Cursor::new(bytes)).read_info() else { return Vec::new() };
    let info = reader.info();
    let plain = info.uncompressed_latin1_text.iter().map(|chunk| chunk.text.clone());
    let packed = info.compressed_latin1_text.iter().map(|chunk| chunk.get_text().expect("a whole text"));
    let of_any_letters = info.utf8_text.iter().map(|chunk| chunk.get_text().expect("a whole text"));
    plain.chain(packed).chain(of_any_letters).collect()
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Pictures say how they were made in a compressed text, where a search of bytes may find nothing.
#[test]
fn a_word_is_found_in_what_a_picture_says_of_itself() {
    let hosted = hosted(Provider::Fal, "");
    hosted.run(&[]);
    let picture = fs::read(hosted.project.path("out/hosted.png")).expect("a picture");
    let texts = texts(&picture);
    assert!(texts.iter().any(|text| text.contains("remote_provider")), "{texts:?}");
}

#[test]
fn no_list_of_processes_shows_a_key_and_no_plugin_is_told_one() {
    let hosted = hosted(Provider::Fal, "");
    hosted.project.build_pause();
    hosted.project.edit("hosted.ron", "format: 1,", "format: 1, imports: (nap: Node(\"c.nap\")),");
    hosted.project.edit("hosted.ron", "outputs: (", "outputs: (napped: nap,");
    hosted.project.edit("hosted.ron", "nodes: (", "nodes: (nap: nap(),");
    let mut run = hosted.until_it_waits();
    let children = children_of(&run);
    let [key, secret] = secrets(Provider::Fal);
    for process in children.iter().chain([&run.id().to_string()]) {
        let line = fs::read(format!("/proc/{process}/cmdline")).expect("it runs");
        assert!(!line.is_empty() && !holds(&line, key) && !holds(&line, secret));
    }
    for child in &children {
        let environment = fs::read(format!("/proc/{child}/environ")).expect("it runs, for the same user");
        assert!(!holds(&environment, secret), "the plugin's process was told the key");
    }
    run.kill().expect("it runs");
    run.wait().expect("it ends");
    assert!(!children.is_empty(), "the plugin runs in a process of its own");
}

/// The processes that a process started, once there are any.
fn children_of(parent: &Child) -> Vec<String> {
    let began = std::time::Instant::now();
    loop {
        let path = format!("/proc/{0}/task", parent.id());
        let of_each_thread = fs::read_dir(path).expect("it runs").filter_map(|thread| {
            // A thread may end while it is looked at.
            fs::read_to_string(thread.ok()?.path().join("children")).ok()
        });
        let found: Vec<String> =
            of_each_thread.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
        if !found.is_empty() || began.elapsed().as_secs() >= 20 {
            return found;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_key_may_be_in_the_keyring_or_known_to_a_program() {
    use std::os::unix::fs::PermissionsExt;
    let key = Provider::Fal.key();
    let ask = |keys: &str, tool: Option<&str>| {
        let hosted = Hosted::with("fal", "");
        let file = format!("Providers(format: 1, keys: {{\"fal\": [{keys}]}})");
        hosted.project.write("home/config/rondel/providers.ron", &file);
        if let Some(tool) = tool {
            hosted.project.write("bin/secret-tool", tool);
            fs::set_permissions(hosted.project.path("bin/secret-tool"), fs::Permissions::from_mode(0o755))
                .expect("mine");
        }
        let mut command = hosted.command(&["run", "hosted.ron", "--plain"]);
        command.env_remove("FAL_KEY").env("PATH", format!("{}:/usr/bin:/bin", hosted.project.path("bin").display()));
        (said(command), hosted.servers.n_submits(Provider::Fal))
    };
    let keyring = "Keyring(\"rondel\", \"fal\")";
    let tool = format!("#!/bin/sh\n[ \"$*\" = 'lookup service rondel account fal' ] && printf %s '{key}'\n");
    let (run, n_submits) = ask(keyring, Some(&tool));
    assert_eq!((run.code, n_submits), (Some(0), 1), "{}", run.stderr);
    let (run, n_submits) = ask(&format!("Program([\"sh\", \"-c\", \"echo {key}\"])"), None);
    assert_eq!((run.code, n_submits), (Some(0), 1), "{}", run.stderr);
    let (run, n_submits) = ask(keyring, Some("#!/bin/sh\nexit 1\n"));
    assert_eq!((run.code, n_submits), (Some(1), 0));
    let help = "put it into the keyring: `secret-tool store --label='rondel fal' service rondel account fal`";
    assert!(run.stderr.contains(help), "{}", run.stderr);
    let (run, _) = ask(keyring, None);
    assert!(run.stderr.contains("the keyring does not answer (it is not installed)"), "{}", run.stderr);
}

#[test]
fn no_program_is_asked_for_a_key_that_is_not_needed() {
    let hosted = Hosted::with("replicate", "");
    let asks = |provider: &str| {
        let note = hosted.project.path("asked").display().to_string();
        format!("\"{provider}\": [Program([\"sh\", \"-c\", \"echo {provider} >> {note}\"])]")
    };
    let file = format!("Providers(format: 1, keys: {{{}, {}}})", asks("fal"), asks("replicate"));
    hosted.project.write("home/config/rondel/providers.ron", &file);
    let asked = || fs::read_to_string(hosted.project.path("asked")).unwrap_or_default();
    let rondel = |args: &[&str]| said(hosted.project.command(args));
    assert_eq!(rondel(&["check", "hosted.ron"]).code, Some(0));
    assert_eq!(rondel(&["plan", "hosted.ron"]).code, Some(0));
    assert_eq!(asked(), "");
    // It has none, so nothing is sent, and nobody else may be asked.
    let run = rondel(&["run", "hosted.ron"]);
    assert_eq!((run.code, &*asked()), (Some(1), "replicate\n"), "{}", run.stderr);
}

#[test]
fn keys_go_where_they_belong_and_nowhere_else() {
    let faults = ["", "submit redirect times=1", "poll redirect times=1", "picture redirect"];
    for (provider, faults) in PROVIDERS.into_iter().flat_map(|provider| faults.map(|faults| (provider, faults))) {
        let hosted = hosted(provider, "");
        hosted.servers.fail(faults);
        hosted.run(&[]);
        keys_are_where_they_belong(&hosted, provider, faults);
    }
}

#[test]
fn an_address_in_a_providers_place_is_where_all_of_it_goes() {
    for provider in PROVIDERS {
        // A reference that is too large to go along.
        let hosted = hosted(provider, "image: [large],");
        hosted.project.edit("hosted.ron", "nodes: (", "nodes: (large: solid(size: (1024, 1024)),");
        if provider == Provider::Replicate {
            // It makes no exact sizes from references.
            hosted.project.edit("hosted.ron", "size: (512, 512)", "aspect_ratio: \"1:1\"");
        }
        let (said, report) = hosted.run(&[]);
        // Everything that was not sent to a stand-in would have gone to nobody, for there is no network here.
        assert_eq!(report.exit_code, 0, "{}: {}", provider.name(), said.stderr);
        assert_eq!(hosted.servers.n_submits(provider), 1, "{}", provider.name());
        keys_are_where_they_belong(&hosted, provider, "");
    }
}

fn keys_are_where_they_belong(hosted: &Hosted, provider: Provider, faults: &str) {
    let journal = hosted.servers.journal();
    assert!(!journal.is_empty());
    for entry in journal {
        let is_own = entry.origin != Origin::Files && entry.origin != Origin::Elsewhere;
        assert_eq!(entry.key_of, is_own.then_some(provider), "{faults}: {:?} {}", entry.origin, entry.path);
    }
}
