//! All that the servers share, and the way of a request through it: written down, struck by a fault or not, answered.

use std::collections::BTreeMap;

use hyper::body::Bytes;
use serde_json::json;

use super::fault::{Fault, Faults, Redirect, Status, tags};
use super::files::File;
use super::http::{Answer, Request, Way};
use super::jobs::Job;
use super::journal::{Body, Entry};
use super::picture::{self, Format, Order, Reference};
use super::{Bill, Origin, Provider, Stage, admin, bfl, fal, files, openai, replicate, together};

/// A picture that was made for an order.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// By whom.
    pub provider: Provider,
    /// For which job.
    pub job: String,
    /// From which words.
    pub prompt: String,
    /// From which seed, if it was asked for one.
    pub seed: Option<u64>,
    /// Width and height.
    pub size_px: (u32, u32),
    /// From how many references.
    pub n_references: usize,
    /// How it is written.
    pub format: Format,
    /// The file.
    pub bytes: Bytes,
}

/// What is asked of a service, in terms that all have in common.
#[derive(Clone, Debug)]
pub(super) struct Commission {
    pub provider: Provider,
    pub job: String,
    pub prompt: String,
    pub seed: Option<u64>,
    pub n_pictures: u32,
    pub size_px: (u32, u32),
    pub format: Format,
    pub quality: u8,
    pub references: Vec<Reference>,
}

/// What the servers share.
pub(super) struct World {
    pub ports: BTreeMap<Origin, u16>,
    /// How often a job is looked at before it is done.
    pub n_polls: u32,
    pub faults: Faults,
    pub journal: Vec<Entry>,
    pub jobs: BTreeMap<String, Job>,
    pub files: BTreeMap<String, File>,
    pub bills: Vec<Bill>,
    pub drawn: Vec<Drawn>,
    n_ids: u64,
}

impl World {
    pub fn new(ports: BTreeMap<Origin, u16>) -> Self {
        Self {
            ports,
            n_polls: 2,
            faults: Faults::default(),
            journal: Vec::new(),
            jobs: BTreeMap::new(),
            files: BTreeMap::new(),
            bills: Vec::new(),
            drawn: Vec::new(),
            n_ids: 0,
        }
    }

    /// The address of a server, without a slash at its end.
    pub fn url(&self, origin: Origin) -> String {
        format!("http://127.0.0.1:{}", self.ports[&origin])
    }

    /// A name that nothing else has, in the form of a UUID.
    pub fn new_id(&mut self) -> String {
        self.n_ids += 1;
        format!("7e57417e-0000-4000-8000-{:012x}", self.n_ids)
    }

    pub fn recover(&mut self) {
        self.faults.clear();
        for job in self.jobs.values_mut() {
            job.is_endless = false;
        }
    }

    /// Writes a request down of which only the head is known, and answers it if no more is needed for that.
    pub fn arrive(&mut self, request: &Request) -> (usize, Option<Answer>) {
        let mut entry = Entry::new(request);
        entry.stage = stage(request);
        // On the server of files, the provider is the one that the file was made by.
        let file_of = request.segments().iter().find_map(|segment| Some(self.files.get(segment)?.provider));
        entry.provider = entry.provider.or(file_of.flatten());
        entry.fault = entry.stage.and_then(|stage| self.faults.take(entry.provider, stage, None));
        let answer = entry.fault.as_ref().and_then(before);
        self.journal.push(entry);
        (self.journal.len() - 1, answer)
    }

    /// Answers a request.
    pub fn respond(&mut self, entry_idx: usize, request: &Request) -> Answer {
        let tags = self.tags(request);
        let entry = &mut self.journal[entry_idx];
        entry.body = Body::of(request);
        if let (None, Some(stage)) = (&entry.fault, entry.stage) {
            entry.fault = self.faults.take(entry.provider, stage, Some(&tags));
        }
        let (provider, fault) = (entry.provider, entry.fault.clone());
        let answer = match &fault {
            Some(fault) => before(fault).unwrap_or_else(|| self.with_fault(request, provider, fault)),
            None => self.act(request, None),
        };
        let is_sent = !matches!(answer.way, Way::Reset | Way::Hang);
        self.journal[entry_idx].status = is_sent.then_some(answer.status);
        answer
    }

    fn with_fault(&mut self, request: &Request, provider: Option<Provider>, fault: &Fault) -> Answer {
        match fault {
            Fault::Status(status) => refusal(request, provider, status),
            Fault::Redirect(to) => self.redirect(request, *to),
            Fault::Echo => echo(request),
            // Where there is no job to ask about, the answer is what does not come.
            Fault::Never if request.origin.is_at_once() => hang(),
            _ => spoil(self.act(request, Some(fault)), fault),
        }
    }

    fn act(&mut self, request: &Request, fault: Option<&Fault>) -> Answer {
        match request.origin {
            Origin::FalQueue | Origin::FalRun | Origin::FalRest => fal::answer(self, request, fault),
            Origin::Replicate => replicate::answer(self, request, fault),
            Origin::Lumenfall | Origin::OpenAi => openai::answer(self, request, fault),
            Origin::Compat => openai::compat::answer(self, request, fault),
            Origin::Bfl => bfl::answer(self, request, fault),
            Origin::Together => together::answer(self, request, fault),
            Origin::Files => files::answer(self, request),
            Origin::Elsewhere => files::elsewhere(self, request),
            Origin::Admin => admin::answer(self, request),
        }
    }

    fn redirect(&self, request: &Request, to: Redirect) -> Answer {
        let place = match to {
            Redirect::Host => format!("{}{}", self.url(Origin::Elsewhere), request.path),
            Redirect::Private => format!("http://10.0.0.1{}", request.path),
            Redirect::Loop => request.path.clone(),
            Redirect::File => "file:///etc/hostname".to_owned(),
        };
        let status = if request.method == "GET" { 302 } else { 307 };
        Answer::new(status, "text/plain", "it is elsewhere").with("location", place)
    }

    /// The tags of the prompt that a request carries, or of the job or file that it is about.
    fn tags(&self, request: &Request) -> Vec<String> {
        if stage(request) == Some(Stage::Submit) {
            return tags(&String::from_utf8_lossy(&request.body));
        }
        let mut names = request.segments();
        names.extend(request.query.iter().map(|(_, value)| value.clone()));
        let of_job = |name: &String| self.jobs.get(name).map(|job| job.tags.clone());
        let of_file = |name: &String| self.files.get(name).map(|file| file.tags.clone());
        names.iter().find_map(|name| of_job(name).or_else(|| of_file(name))).unwrap_or_default()
    }

    /// Draws what was asked for, less what a fault takes away, and returns the files.
    pub fn draw(&mut self, commission: &Commission, fault: Option<&Fault>) -> Vec<Bytes> {
        let n_pictures = match fault {
            Some(Fault::Empty) => 0,
            Some(Fault::Fewer) => commission.n_pictures.saturating_sub(1),
            Some(Fault::More) => commission.n_pictures + 1,
            _ => commission.n_pictures,
        };
        let size_px = match fault {
            Some(Fault::Smaller) => (commission.size_px.0 / 2, commission.size_px.1 / 2),
            _ => commission.size_px,
        };
        // Whoever asks for no seed gets another picture each time.
        let seed = commission.seed.unwrap_or(self.drawn.len() as u64);
        let mut files = Vec::new();
        for picture_idx in 0..n_pictures {
            let order = Order {
                size_px,
                top: match fault {
                    Some(Fault::Black) => [0; 3],
                    _ => picture::colour(commission.provider, &commission.prompt, seed, picture_idx),
                },
                references: match fault {
                    Some(Fault::Black) => Vec::new(),
                    _ => commission.references.iter().map(|reference| reference.mean).collect(),
                },
                format: commission.format,
                quality: commission.quality,
            };
            let bytes = Bytes::from(picture::draw(&order));
            self.drawn.push(Drawn {
                provider: commission.provider,
                job: commission.job.clone(),
                prompt: commission.prompt.clone(),
                seed: commission.seed,
                size_px: commission.size_px,
                n_references: commission.references.len(),
                format: commission.format,
                bytes: bytes.clone(),
            });
            files.push(bytes);
        }
        files
    }

    /// Writes a bill.
    pub fn charge(&mut self, provider: Provider, job: &str, micro_dollars: Option<i64>) {
        self.bills.push(Bill { provider, job: job.to_owned(), micro_dollars });
    }
}

fn stage(request: &Request) -> Option<Stage> {
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match request.origin {
        Origin::FalQueue | Origin::FalRun | Origin::FalRest => fal::stage(request, &segments),
        Origin::Replicate => replicate::stage(request, &segments),
        Origin::Lumenfall | Origin::OpenAi | Origin::Compat => openai::stage(request, &segments),
        Origin::Bfl => bfl::stage(request, &segments),
        Origin::Together => together::stage(request, &segments),
        Origin::Files => files::stage(request, &segments),
        // Nobody should come here, so nothing goes wrong here.
        Origin::Elsewhere | Origin::Admin => None,
    }
}

/// The answer to a request of which no more is needed than that this is wrong with it.
fn before(fault: &Fault) -> Option<Answer> {
    match fault {
        Fault::ResetBefore => Some(Answer { way: Way::Reset, ..hang() }),
        Fault::Hang => Some(hang()),
        _ => None,
    }
}

fn hang() -> Answer {
    Answer { way: Way::Hang, ..Answer::new(500, "text/plain", "") }
}

fn refusal(request: &Request, provider: Option<Provider>, status: &Status) -> Answer {
    let mut answer = if status.is_html {
        let page =
            format!("<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>", status.code);
        Answer::new(status.code, "text/html", page)
    } else {
        match provider.filter(|_| request.origin.provider().is_some()) {
            Some(Provider::Fal) => fal::error(status.code, status.is_quota),
            Some(Provider::Replicate) => replicate::error(status.code, status.is_quota),
            Some(provider @ (Provider::Lumenfall | Provider::OpenAi | Provider::Compat)) => {
                openai::error(provider, status.code, status.is_quota)
            }
            Some(Provider::Bfl) => bfl::error(status.code),
            Some(Provider::Together) => together::error(status.code),
            None => Answer::json(status.code, &json!({ "error": "as the fault says" })),
        }
    };
    if let Some(seconds) = status.after_s {
        answer = answer.with("retry-after", seconds.to_string());
    }
    if let Some(seconds) = status.date_s {
        let then = std::time::SystemTime::now() + std::time::Duration::from_secs(seconds);
        answer = answer.with("retry-after", httpdate::fmt_http_date(then));
    }
    if let Some(ms) = status.after_ms {
        answer = answer.with("retry-after-ms", ms.to_string());
    }
    if status.is_final {
        answer = answer.with("x-should-retry", "false");
    }
    answer
}

/// What a service says that repeats what it was sent.
fn echo(request: &Request) -> Answer {
    let header = request.header("authorization").or_else(|| request.header("x-key")).unwrap_or_default();
    let key = header.rsplit(' ').next().unwrap_or_default();
    let error = json!({ "message": format!("{key} is not valid"), "code": key, "param": key });
    Answer::json(400, &json!({ "error": error })).with("x-request-id", key.to_owned())
}

/// Does to an answer what a fault does to it on its way.
fn spoil(mut answer: Answer, fault: &Fault) -> Answer {
    let typed = |mut answer: Answer, content_type: Option<&str>| {
        answer.headers.retain(|(name, _)| name != "content-type");
        answer.headers.extend(content_type.map(|it| ("content-type".to_owned(), it.to_owned())));
        answer
    };
    match fault {
        Fault::ResetAfter => answer.way = Way::Reset,
        Fault::Cut => answer.way = Way::Cut,
        Fault::Slow(pause) => answer.way = Way::Slow(*pause),
        Fault::Truncated => answer.body.truncate(answer.body.len() / 2),
        Fault::Corrupt => {
            let mut bytes = answer.body.to_vec();
            picture::corrupt(&mut bytes);
            answer.body = bytes.into();
        }
        Fault::Html => answer = Answer::new(200, "text/html", "<html><body>an hour of maintenance</body></html>"),
        Fault::WrongType => answer = typed(answer, Some("text/plain")),
        Fault::NoType => answer = typed(answer, None),
        Fault::Octets => answer = typed(answer, Some("application/octet-stream")),
        Fault::Bomb => answer = Answer::new(200, "image/png", picture::bomb()),
        Fault::Huge => answer.body = vec![0; 200_000_000].into(),
        // What becomes of a job was for its service to say.
        Fault::Never
        | Fault::Failed
        | Fault::Aborted
        | Fault::Refused { .. }
        | Fault::Black
        | Fault::Fewer
        | Fault::More
        | Fault::Smaller
        | Fault::Empty => {}
        Fault::Status(_) | Fault::Redirect(_) | Fault::Echo | Fault::ResetBefore | Fault::Hang => {
            unreachable!("takes the place of an answer")
        }
    }
    answer
}
