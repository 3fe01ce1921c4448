//! Processes that end at the worst moment, and several at once: nothing is paid for twice, and no limit passed.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use rondel_testkit::servers::Stage;

use crate::fixture::said;
use crate::providers::Hosted;

fn kill(mut child: Child) {
    // As `kill -9` does.
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[test]
fn ended_while_the_cache_is_written_it_is_paid_for_once() {
    // What is only in an answer, what is at an address, and a request of several calls.
    for (provider, more, n_calls) in [
        ("lumenfall", "response_format: B64Json,", 1),
        ("replicate", "", 1),
        ("fal", "n: 5, response_format: B64Json,", 2),
    ] {
        let hosted = Hosted::with(provider, more);
        // The system ends it in the write of the first file that is larger than a quarter of a mebibyte, which is the picture's
        // blob: what the stand-in draws packs into less.
        let run = hosted.command(&["run", "hosted.ron", "--quiet"]);
        let mut limited = Command::new("sh");
        limited
            .args(["-c", "ulimit -c 0; ulimit -f 512; exec \"$@\"", "sh"])
            .arg(run.get_program())
            .args(run.get_args());
        limited.current_dir(run.get_current_dir().expect("a folder"));
        for (name, value) in run.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        let status = limited.status().expect("the program starts");
        const SIGXFSZ: i32 = 25;
        assert_eq!(status.signal(), Some(SIGXFSZ), "{provider}: {status}");
        assert_eq!(hosted.n_submits(), n_calls, "{provider}");
        // Where the pictures lay, nothing is any more.
        hosted.servers.fail("picture 404");
        let again = hosted.rondel(&["run", "hosted.ron", "--plain"]);
        assert_eq!(again.code, Some(0), "{provider}: {}", again.stderr);
        assert!(again.stderr.contains(&format!("at {provider}, which is paid for")), "{}", again.stderr);
        assert_eq!(hosted.n_submits(), n_calls, "{provider}");
        let kept = hosted.project.path("home/data/rondel/hosted/kept");
        assert_eq!(kept.read_dir().expect("a folder").count(), 0, "nothing is left of it");
    }
}

#[test]
fn killed_before_the_answer_came_it_is_not_sent_again_before_somebody_looked() {
    for provider in ["fal", "lumenfall"] {
        let hosted = Hosted::with(provider, "");
        hosted.servers.fail("submit hang");
        kill(hosted.until_it_is_at(Stage::Submit));
        hosted.servers.recover();
        let (again, _) = hosted.run(&["--plain"]);
        assert_eq!((again.code, hosted.n_submits()), (Some(1), 1), "{provider}: {}", again.stderr);
        // Both say what it is about, and what to type.
        let costs = hosted.rondel(&["costs"]);
        let typed = costs.stderr.split('`').find(|words| words.starts_with("rondel costs --close")).expect("a command");
        for words in ["no answer came", "may have been billed", typed] {
            assert!(again.stderr.contains(words), "{words} is not in {}", again.stderr);
            assert!(costs.stderr.contains(words), "{words} is not in {}", costs.stderr);
        }
        assert!(costs.stdout.contains("1 unclear"), "{}", costs.stdout);
        let args: Vec<&str> = typed.split(' ').skip(1).collect();
        assert_eq!(hosted.rondel(&args).code, Some(0));
        hosted.made(&[]);
        assert_eq!(hosted.n_submits(), 2);
        assert!(!hosted.rondel(&["costs"]).stdout.contains("unclear"));
    }
}

#[test]
fn it_is_sent_once_more_where_that_is_wished_and_not_for_ever() {
    let hosted = Hosted::with("fal", "");
    hosted.project.write("home/config/rondel/providers.ron", "Providers(format: 1, policy: (on_unclear: ResendOnce))");
    for n_submits in [1, 2, 2] {
        hosted.servers.fail("submit reset_after");
        let (run, _) = hosted.run(&["--plain"]);
        assert_eq!((run.code, hosted.n_submits()), (Some(1), n_submits), "{}", run.stderr);
    }
    assert!(hosted.rondel(&["costs"]).stdout.contains("2 unclear"));
}

#[test]
fn what_another_model_was_put_in_place_of_is_not_known_any_more() {
    let hosted = Hosted::with("compat", "");
    let file = "Providers(format: 1, providers: {\"compat\": (api: OpenAi, base: \"http://localhost:1/v1\", models: {
        \"flux.2-dev\": (name: \"plain\", sides: (64, 2048), price: Megapixels(output: 0.001, input: 0.0))})})";
    let n_asked = |file: &str| {
        hosted.project.write("home/config/rondel/providers.ron", file);
        hosted.made(&[]);
        hosted.servers.journal().iter().filter(|entry| entry.stage == Some(Stage::Submit)).count()
    };
    assert_eq!([n_asked(file), n_asked(file)], [1, 1]);
    // A price makes no other picture, and nor does one more who has the same.
    let more = file.replace("0.001", "0.002").replace(
        "{\"compat\"",
        "{\"more\": (api: OpenAi, base: \"http://localhost:1/v1\",
        models: {\"flux.2-dev\": (name: \"flux.2-dev\", sides: (64, 2048), price: Unknown)}), \"compat\"",
    );
    assert_eq!([n_asked(&more), n_asked(&file.replace("plain", "list"))], [1, 2]);
    let again = hosted.rondel(&["plan", "hosted.ron"]);
    assert!(again.stdout.contains("known"), "{}", again.stdout);
}

#[test]
fn processes_with_caches_of_their_own_never_pass_a_limit_together() {
    let hosted = Hosted::with("fal", "");
    let file = |day: f64| format!("Providers(format: 1, spend: (run: 100, day: {day}))");
    for round in 1..=6u32 {
        // Three more at $0.012 in each round, and less than a fourth one costs.
        let day = f64::from(round) * 0.036 + 0.011;
        hosted.project.write("home/config/rondel/providers.ron", &file(day));
        let start = |name: &str| {
            let (cache, prompt) = (format!("cache-{name}"), format!("prompt=a boat of {name} in round {round}"));
            let args = [
                "run",
                "hosted.ron",
                "--quiet",
                "--only",
                "hosted",
                "--cache-dir",
                &cache,
                "--sweep",
                "seed=1..=3",
                "--set",
            ];
            let mut command = hosted.command(&[&args[..], &[&prompt]].concat());
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
        };
        let processes = ["one", "another", "a third"].map(start);
        let codes = processes.map(|mut process| process.wait().expect("it ends").code());
        assert!(codes.contains(&Some(1)), "somebody was refused");
        assert_eq!(hosted.n_submits() as u32, 3 * round);
        let billed: i64 = hosted.servers.bills().iter().filter_map(|bill| bill.micro_dollars).sum();
        assert!(billed as f64 <= day * 1e6, "{billed} in round {round}");
    }
    // What they share is the user's, and says so.
    let costs = said(hosted.command(&["costs", "--by", "provider", "--cache-dir", "elsewhere"]));
    assert!(costs.stdout.contains("fal    $0.216"), "{}{}", costs.stdout, costs.stderr);
}
