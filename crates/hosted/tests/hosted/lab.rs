//! Stand-ins for providers, a ledger of its own, and a run that asks.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rondel_hosted::providers::Whose;
use rondel_hosted::recording::Recording;
use rondel_hosted::{Hosted, Patience, Providers as Known, Settings, providers};
use rondel_plugin::{CallHost, Level, NodeFailure, PaintOrder, Painted, Painter};
use rondel_testkit::servers::{Provider, Providers};
use rondel_value::{HostedRequest, Image, ModelRef, Route};
use tempfile::TempDir;

/// A machine that may ask stand-ins.
pub struct Lab {
    pub servers: Providers,
    folder: TempDir,
    /// What stands in `providers.ron`, beside what is built in.
    pub file: String,
    pub patience: Patience,
    /// Its processes end once they have their pictures, before these are in a cache.
    pub ends_early: bool,
    /// How far its clock is ahead.
    pub ahead_s: u64,
    /// The variables are not set in which keys are looked for.
    pub has_no_keys: bool,
    pub record: Option<Recording>,
    pub replay: Option<Recording>,
    /// Counts up, so that names of calls differ.
    random: Arc<AtomicU64>,
}

/// A run: what it said, and whether it is to stop.
#[derive(Default)]
pub struct Run {
    pub said: Mutex<Vec<String>>,
    /// How far it was, of how much, each time that it was told.
    pub bars: Mutex<Vec<(u64, u64, String)>>,
    pub is_cancelled: AtomicBool,
    /// Cancels when progress begins with this.
    pub cancels_at: Option<&'static str>,
    /// Puts a file in place of a folder when progress begins with this.
    pub breaks_at: Option<(&'static str, PathBuf)>,
}

impl Lab {
    pub fn new() -> Lab {
        let ms = Duration::from_millis;
        let patience = Patience {
            first_wait: ms(1),
            longest_wait: ms(5),
            longest_asked: Duration::from_secs(3),
            poll_first: ms(1),
            poll_later: ms(5),
            deadline: Duration::from_secs(10),
            farewell: Duration::from_secs(2),
            ..Patience::default()
        };
        let folder = TempDir::with_prefix("rondel-hosted-").unwrap();
        let file = "Providers(format: 1)".to_owned();
        let (record, replay, random, ahead_s, has_no_keys, ends_early) = Default::default();
        let servers = Providers::start();
        Lab { servers, folder, file, patience, ends_early, ahead_s, has_no_keys, record, replay, random }
    }

    /// One that pays prices that nobody knows.
    pub fn allowing() -> Lab {
        Lab {
            file: "Providers(format: 1, spend: (run: 100, day: 100, unknown_prices: Assume(0.05)))".to_owned(),
            ..Lab::new()
        }
    }

    pub fn ledger_folder(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    /// A process that asks.
    pub fn hosted(&self) -> Hosted {
        let mut variables = self.servers.environment();
        variables.retain(|(name, _)| !self.has_no_keys || name.ends_with("BASE_URL"));
        let ahead_s = self.ahead_s;
        let random = self.random.clone();
        let settings = Settings {
            folder: self.ledger_folder(),
            variable: Arc::new(move |name| {
                variables.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone())
            }),
            program: Arc::new(|command| Err(format!("no program is to be asked, and `{}` is", command.join(" ")))),
            home: None,
            now: Arc::new(move || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + ahead_s),
            random: Arc::new(move || (random.fetch_add(1, Ordering::Relaxed) + 1) << 32),
            is_offline: false,
            record: self.record.clone(),
            replay: self.replay.clone(),
            patience: self.patience.clone(),
        };
        let file = providers::read(&self.file, "providers.ron").unwrap();
        let mut known = Known::join(vec![("providers.ron".to_owned(), Whose::User, file)], "providers.ron").unwrap();
        // Tests are in a hurry.
        (known.policy.max_wait_s, known.policy.deadline_s) = (None, None);
        Hosted::new(known, settings)
    }

    /// Asks in a process of its own.
    pub fn ask(&self, run: &Run, request: &HostedRequest, references: &[Image]) -> Result<Painted, NodeFailure> {
        let hosted = self.hosted();
        let painted = hosted.paint(&PaintOrder { run: "run", step: "hosted", request, references }, run);
        if painted.is_ok() && !self.ends_early {
            hosted.step_is_through("run", "hosted");
        }
        painted
    }

    /// Asks one provider for a small picture: what came of it, and how often it was submitted.
    pub fn of(&self, provider: &str, prompt: &str) -> String {
        self.outcome(&request(provider, prompt), &[])
    }

    pub fn outcome(&self, request: &HostedRequest, references: &[Image]) -> String {
        let before = self.n_submits();
        let run = Run::default();
        let outcome = match self.ask(&run, request, references) {
            Ok(painted) => {
                let sizes = painted.pictures.iter().map(|picture| format!("{}×{}", picture.width(), picture.height()));
                format!("{} of {}", sizes.collect::<Vec<_>>().join(", "), painted.details.provider)
            }
            Err(failure) => format!("{:?}: {}", failure.kind, without_addresses(&failure.message)),
        };
        format!("{outcome} [{}]", self.n_submits() - before)
    }

    pub fn n_submits(&self) -> usize {
        Provider::ALL.into_iter().map(|provider| self.servers.n_submits(provider)).sum()
    }
}

/// Addresses and names of calls differ from run to run.
fn without_addresses(text: &str) -> String {
    let mut is_name = false;
    let words = text.split(' ').map(|word| {
        let is_call = std::mem::replace(&mut is_name, word == "--close");
        if word.starts_with("http://127.0.0.1") {
            "http://…"
        } else if is_call {
            "ID`"
        } else {
            word
        }
    });
    words
        .map(|word| if word.starts_with("http://10.0.0.1") { "http://10.0.0.1/…" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

/// A request for one small picture.
pub fn request(provider: &str, prompt: &str) -> HostedRequest {
    HostedRequest {
        model: "flux.2-dev".to_owned(),
        prompt: Some(prompt.to_owned()),
        size: Some([512, 512]),
        seed: Some(7),
        n: 1,
        route: Route::Only(provider.to_owned()),
        ..HostedRequest::default()
    }
}

/// A reference that is too large to go along.
pub fn noise() -> Image {
    let level = |i: usize| {
        let mixed = (i as u64 ^ (i as u64) << 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8
    };
    Image::from_u8(512, 512, 3, (0..512 * 512 * 3).map(level).collect::<Vec<u8>>()).unwrap()
}

/// A model that a provider has.
pub fn model(provider: &str) -> String {
    match provider {
        "bfl" => "flux.2-pro",
        "openai" => "gpt-image-2",
        _ => "flux.2-dev",
    }
    .to_owned()
}

/// A seed, where one can be given.
pub fn seed(provider: &str) -> Option<u64> {
    (provider != "openai").then_some(7)
}

impl Run {
    pub fn said(&self) -> String {
        self.said.lock().unwrap().join("\n")
    }

    fn say(&self, words: String) {
        let mut said = self.said.lock().unwrap();
        if said.last() != Some(&words) {
            said.push(words);
        }
    }
}

impl CallHost for Run {
    fn cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::SeqCst)
    }

    fn progress(&self, done: u64, total: u64, note: &str) {
        self.bars.lock().unwrap().push((done, total, note.to_owned()));
        if self.cancels_at.is_some_and(|at| note.starts_with(at)) {
            self.is_cancelled.store(true, Ordering::SeqCst);
        }
        if let Some((_, folder)) =
            self.breaks_at.as_ref().filter(|(at, folder)| note.starts_with(at) && folder.is_dir())
        {
            std::fs::remove_dir_all(folder).unwrap();
            std::fs::write(folder, "").unwrap();
        }
        self.say(note.to_owned());
    }

    fn log(&self, level: Level, text: &str) {
        self.say(format!("{level:?}: {text}"));
    }

    fn model_part(&self, _model: &ModelRef, _part: &str) -> Result<Vec<PathBuf>, String> {
        Err("no models".to_owned())
    }

    fn output_folder(&self) -> PathBuf {
        PathBuf::new()
    }

    fn provenance(&self) -> String {
        String::new()
    }
}
