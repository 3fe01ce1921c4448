//! Every provider of hosted models, asked by the program: what is drawn, and what a process that ends leaves to the next. What each
//! fault comes to is told one by one in `crates/hosted`.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use image::GenericImageView;
use rondel_event::{How, Report};
use rondel_testkit::servers::{Body, Provider, Providers, Stage, colour};

use crate::fixture::{Project, Said, file, how, said};

/// A project whose providers are stand-ins.
pub struct Hosted {
    pub project: Project,
    pub servers: Providers,
}

impl Hosted {
    fn new() -> Self {
        Self { project: Project::new(), servers: Providers::start() }
    }

    /// A graph with one picture, asked of a provider.
    pub fn with(provider: &str, more: &str) -> Self {
        let hosted = Self::new();
        hosted.write("hosted.ron", provider, more);
        hosted
    }

    fn write(&self, file: &str, provider: &str, more: &str) {
        let model = match provider {
            "bfl" => "flux.2-pro",
            "openai" => "gpt-image-2",
            _ => "flux.2-dev",
        };
        self.project.write(
            file,
            &format!(
                "Graph(
                    format: 1,
                    inputs: (prompt: Text(default: \"a boat\"), seed: Seed(default: 7)),
                    nodes: (
                        hosted: remote_provider(
                            model: \"{model}\", route: Only(\"{provider}\"), prompt: prompt, size: (512, 512), seed: seed,
                            output_format: Png, {more}
                        ),
                        saved: save(image: hosted, path: \"hosted.png\"),
                    ),
                    outputs: (image: hosted, file: saved),
                )"
            ),
        );
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        command.envs(self.servers.environment());
        command
    }

    pub fn rondel(&self, args: &[&str]) -> Said {
        said(self.command(args))
    }

    /// Runs the graph, whatever becomes of it.
    pub fn run(&self, args: &[&str]) -> (Said, Report) {
        let _ = fs::remove_file(self.project.path("report.json"));
        let said = self.rondel(&[&["run", "hosted.ron", "--report", "report.json"], args].concat());
        let Ok(report) = fs::read(self.project.path("report.json")) else { panic!("no report: {}", said.stderr) };
        (said, serde_json::from_slice(&report).expect("a report"))
    }

    /// Runs the graph, which must come to a good end.
    pub fn made(&self, args: &[&str]) -> Report {
        let (said, report) = self.run(args);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        report
    }

    pub fn n_submits(&self) -> usize {
        Provider::ALL.into_iter().map(|provider| self.servers.n_submits(provider)).sum()
    }

    /// Starts a run and waits until it asks after its job, which does not end.
    pub fn until_it_waits(&self) -> Child {
        self.servers.fail("submit never");
        self.until_it_is_at(Stage::Poll)
    }

    /// Starts a run and waits until a server has a request of it.
    pub fn until_it_is_at(&self, stage: Stage) -> Child {
        let mut command = self.command(&["run", "hosted.ron", "--quiet"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        let began = Instant::now();
        while !self.servers.journal().iter().any(|entry| entry.stage == Some(stage)) {
            assert!(began.elapsed() < Duration::from_secs(60), "it never asks");
            std::thread::yield_now();
        }
        child
    }
}

#[test]
fn every_provider_draws_what_was_asked_for() {
    for provider in [Provider::Fal, Provider::Replicate, Provider::Lumenfall, Provider::Bfl] {
        let hosted = Hosted::with(provider.name(), "");
        hosted.made(&[]);
        let picture = image::open(hosted.project.path("out/hosted.png")).expect("a picture");
        assert_eq!(picture.dimensions(), (512, 512));
        assert_eq!(picture.to_rgb8().get_pixel(0, 0).0, colour(provider, "a boat", 7, 0), "{}", provider.name());
        assert_eq!(hosted.servers.n_submits(provider), 1);
    }
}

#[test]
fn a_run_that_is_killed_goes_on_with_its_job() {
    for provider in ["replicate", "bfl"] {
        let hosted = Hosted::with(provider, "");
        let mut child = hosted.until_it_waits();
        // As `kill -9` does.
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        hosted.servers.recover();
        hosted.made(&[]);
        assert_eq!(hosted.n_submits(), 1, "{provider}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_calls_the_job_off() {
    let hosted = Hosted::with("fal", "");
    let mut child = hosted.until_it_waits();
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("`kill` is there");
    assert!(sent.success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let cancels = hosted.servers.journal().into_iter().filter(|entry| entry.stage == Some(Stage::Cancel));
    assert_eq!(cancels.count(), 1);
}

#[test]
fn an_edit_sends_its_references_typed_and_in_order() {
    for (provider, n_parts) in [(Provider::Lumenfall, 2), (Provider::Fal, 0), (Provider::Replicate, 0)] {
        let hosted = Hosted::new();
        hosted.write("hosted.ron", provider.name(), "image: [red, blue],");
        hosted.project.edit(
            "hosted.ron",
            "nodes: (",
            "nodes: (red: solid(size: (64, 64), color: \"#fa0000\"), blue: solid(size: (64, 64), color: \"#0000fa\"),",
        );
        if provider == Provider::Replicate {
            // It makes no exact sizes from references.
            hosted.project.edit("hosted.ron", "size: (512, 512)", "aspect_ratio: \"1:1\"");
        }
        hosted.made(&[]);
        let picture = image::open(hosted.project.path("out/hosted.png")).expect("a picture").to_rgb8();
        let side = picture.height() / 8;
        assert_eq!([1, 2].map(|i| picture.get_pixel(0, side * i).0), [[250, 0, 0], [0, 0, 250]], "{}", provider.name());
        let journal = hosted.servers.journal();
        let submit = journal.iter().find(|entry| entry.stage == Some(Stage::Submit)).expect("a submit");
        if let Body::Form(parts) = &submit.body {
            let types = parts.iter().filter_map(|part| part.content_type.as_deref());
            assert_eq!(types.filter(|it| it.starts_with("image/")).count(), n_parts);
        }
    }
}

#[test]
fn the_local_model_takes_over_when_nobody_answers() {
    let project = Project::with(&["hosted_with_fallback.ron", "text_to_image.ron"]);
    let servers = Providers::start();
    let environment = servers.environment();
    let run = |is_up: bool| {
        let _ = fs::remove_file(project.path("report.json"));
        let mut command = project.command(&["run", "hosted_with_fallback.ron", "--report", "report.json"]);
        command.envs(environment.clone());
        if !is_up {
            // A port where nobody listens any more.
            let port =
                std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
            let providers =
                Provider::ALL.map(|provider| (provider.base_variable(), format!("http://127.0.0.1:{port}")));
            command.envs(providers);
        }
        let said = said(command);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let report: Report =
            serde_json::from_slice(&fs::read(project.path("report.json")).expect("a report")).expect("JSON");
        (said, report)
    };
    let (said, report) = run(false);
    assert_eq!(how(&report, "hosted"), How::Failed);
    assert!(said.stderr.contains("local"), "{}", said.stderr);
    assert_eq!(side(&report), 512, "of the size that was asked for, though the model draws smaller");
    let (_, report) = run(true);
    assert_eq!(how(&report, "hosted"), How::Ran);
    assert_eq!(side(&report), 512);
    assert_eq!(servers.drawn().len(), 1);
}

#[test]
fn a_hosted_model_takes_over_when_there_is_too_little_memory_for_the_local_one() {
    let project = Project::with(&["local_with_fallback.ron", "text_to_image.ron"]);
    let servers = Providers::start();
    let run = |args: &[&str]| {
        let mut command =
            project.command(&[&["run", "local_with_fallback.ron", "--report", "report.json"], args].concat());
        command.envs(servers.environment());
        let said = said(command);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let report: Report =
            serde_json::from_slice(&fs::read(project.path("report.json")).expect("a report")).expect("JSON");
        (said, report)
    };
    let (said, report) = run(&["--memory", "10MB"]);
    assert_eq!((how(&report, "hosted"), side(&report)), (How::Ran, 512));
    assert!(said.stderr.contains("goes on with `hosted`, because `local` could not be made"), "{}", said.stderr);
    assert_eq!(servers.drawn().len(), 1);
    let (_, report) = run(&["--set", "seed=8"]);
    assert_eq!((how(&report, "local"), side(&report)), (How::Ran, 512));
    assert_eq!(servers.drawn().len(), 1, "nobody was asked, and nothing paid");
}

/// The side of the picture that was written.
fn side(report: &Report) -> u32 {
    image::image_dimensions(file(report, "file")).expect("a picture").0
}
