//! What every protocol does: from what is wanted to a request, and from an answer to what it means.
//!
//! Data in, data out. A protocol never waits, sends or counts; [`crate::call`] does, the same for all of them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::bfl::Bfl;
use crate::endpoint::Endpoint;
use crate::fal::Fal;
use crate::fault::{Class, Fault};
use crate::lumenfall::Lumenfall;
use crate::money::Micros;
use crate::openai::OpenAi;
use crate::providers::{Api, Offer};
use crate::replicate::Replicate;
use crate::together::Together;
use crate::wire::{Request, Response};

/// One way of asking for pictures.
pub trait Protocol: Sync {
    /// The request that puts a reference where the provider finds it; none if references always go along.
    fn upload(&self, endpoint: &Endpoint, reference: &Reference) -> Option<Request> {
        let _ = (endpoint, reference);
        None
    }

    /// What the answer to [`Protocol::upload`] means.
    fn uploaded(&self, response: &Response, reference: &Reference) -> Result<Upload, Fault> {
        let _ = (response, reference);
        Err(Fault::new(Class::InvalidRequest, "this provider takes no uploads"))
    }

    /// The request that is paid for.
    fn submit(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Request;

    /// What the answer to [`Protocol::submit`] means; `model` is the provider's name of what was asked.
    fn submitted(&self, endpoint: &Endpoint, model: &str, response: &Response) -> Result<Submitted, Fault>;

    /// What goes along with [`Protocol::submit`] but for pictures, by the provider's names; none if nobody says what it may be.
    fn input(&self, ask: &Ask<'_>) -> Option<Map<String, Value>> {
        let _ = ask;
        None
    }

    /// Where the provider says what a model takes, the likeliest first.
    fn schemas_at(&self, endpoint: &Endpoint, model: &str) -> Vec<Url> {
        let _ = (endpoint, model);
        Vec::new()
    }

    /// The JSON schema of [`Protocol::input`] in an answer to that.
    fn schema(&self, answer: &Value) -> Option<Value> {
        let _ = answer;
        None
    }

    /// The request of [`Protocol::submit`] that only asks for its price; none if there is none such.
    fn dry_run(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Option<Request> {
        let _ = (endpoint, ask);
        None
    }

    fn poll(&self, job: &Job) -> Option<Request> {
        link(&job.poll).map(Request::get)
    }

    fn polled(&self, response: &Response) -> Result<Polled, Fault> {
        let _ = response;
        Err(Fault::new(Class::Server, "this provider has no jobs"))
    }

    /// The request for the result of a job that said [`Polled::Fetch`].
    fn fetch(&self, job: &Job) -> Option<Request> {
        link(job.fetch.as_deref()?).map(Request::get)
    }

    fn fetched(&self, response: &Response) -> Result<Made, Fault> {
        let _ = response;
        Err(Fault::new(Class::Server, "this provider has no jobs"))
    }

    /// The request that stops a job; none if there is no way.
    fn cancel(&self, job: &Job) -> Option<Request> {
        let _ = job;
        None
    }

    /// Whether the answer says that the job came to its end before it could be stopped.
    fn was_too_late_to_cancel(&self, response: &Response) -> bool {
        let _ = response;
        false
    }
}

/// The protocol of a service.
pub fn of(api: Api) -> &'static dyn Protocol {
    match api {
        Api::Fal => &Fal,
        Api::OpenAi => &OpenAi,
        Api::Lumenfall => &Lumenfall,
        Api::Replicate => &Replicate,
        Api::Bfl => &Bfl,
        Api::Together => &Together,
    }
}

/// What one call asks for, all of it decided.
pub struct Ask<'a> {
    pub offer: &'a Offer,
    pub prompt: &'a str,
    /// None where the ratio says it, or the first reference.
    pub size: Option<[u32; 2]>,
    pub ratio: Option<&'a str>,
    pub seed: Option<u64>,
    pub n: u32,
    /// `png`, `jpeg`, `webp`.
    pub format: &'a str,
    pub compression: Option<u8>,
    /// `url`, `b64_json`.
    pub response_format: &'a str,
    pub references: &'a [Reference],
}

impl Ask<'_> {
    /// The provider's name for the model.
    pub fn model(&self) -> &str {
        match (&self.offer.edit, self.references.is_empty()) {
            (Some(edit), false) => edit,
            _ => &self.offer.name,
        }
    }
}

/// A picture to draw from, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub bytes: Bytes,
    pub mime: &'static str,
    /// Where the provider finds it, once it was put there.
    pub link: Option<String>,
}

impl Reference {
    /// Its address, or all of it as one.
    pub fn uri(&self) -> String {
        self.link.clone().unwrap_or_else(|| format!("data:{};base64,{}", self.mime, base64::encode(&self.bytes)))
    }

    /// `reference.png`
    pub fn file_name(&self) -> String {
        format!("reference.{}", self.mime.rsplit('/').next().unwrap_or("png"))
    }
}

/// Where a reference was put, or will be with one more request.
pub struct Upload {
    pub link: String,
    pub put: Option<Request>,
}

/// A job at a provider, as it is written down before it is first asked after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub id: String,
    pub poll: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<String>,
    /// What the provider said that it will cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Micros>,
}

#[derive(Debug, PartialEq)]
pub enum Submitted {
    Job(Job),
    Made(Made),
}

#[derive(Debug, PartialEq)]
pub enum Polled {
    /// Its place in the queue, if it waits in one.
    Queued(Option<u64>),
    Running,
    /// It ended; how, its result says.
    Fetch,
    Made(Made),
}

/// What was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    pub pictures: Vec<Source>,
    #[serde(default)]
    pub seed: Option<u64>,
    /// What it cost, if the provider says.
    #[serde(default)]
    pub cost: Option<Micros>,
    #[serde(default)]
    pub revised_prompt: Option<String>,
    /// By picture: it is black because its content was refused.
    #[serde(default)]
    pub flagged: Vec<bool>,
}

impl Made {
    /// As it is written down: pictures that came along lie beside the ledger.
    pub fn written(&self) -> Made {
        let written = |source: &Source| match source {
            Source::Inline(_) => Source::Here,
            source => source.clone(),
        };
        Made { pictures: self.pictures.iter().map(written).collect(), ..self.clone() }
    }
}

/// Where a picture is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Source {
    Link(String),
    /// It came along, and was kept beside the ledger.
    Here,
    /// Nobody can read where it is, or what came along: why. The others of its answer are worth no less.
    Unreadable(String),
    /// It came along.
    #[serde(skip)]
    Inline(Bytes),
}

fn link(text: &str) -> Option<Url> {
    Url::parse(text).ok()
}

/// An address or a data URI of an answer; relative ones are meant from `base`.
pub fn source(text: &str, base: &Url) -> Source {
    if let Some(data) = text.strip_prefix("data:") {
        return data.split_once(',').map_or_else(|| unreadable("a data URI without data"), |(_, data)| inline(data));
    }
    base.join(text).map_or_else(|_| unreadable("an address that is none"), |url| Source::Link(url.into()))
}

/// A picture in base64.
pub fn inline(text: &str) -> Source {
    let clean: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    base64::decode(clean).map_or_else(|_| unreadable("base64 that is none"), |bytes| Source::Inline(bytes.into()))
}

fn unreadable(what: &str) -> Source {
    Source::Unreadable(format!("the answer holds {what}"))
}

/// A number that may be a float or a text.
pub fn whole(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_f64().filter(|f| *f >= 0.0 && f.fract() == 0.0).map(|f| f as u64))
        .or_else(|| value.as_str()?.parse().ok())
}

/// The JSON of an answer that is a success; else the fault that it is.
pub fn success(response: &Response) -> Result<Value, Fault> {
    if !response.is_success() {
        return Err(Fault::of_response(response, 0));
    }
    response.json().ok_or_else(|| {
        let request_id = response.request_id();
        Fault { request_id, ..Fault::unclear("the answer is no JSON, or was cut off") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_came_along_is_written_down_without_its_bytes() {
        let link = Source::Link("https://example.org/".to_owned());
        let pictures = vec![Source::Inline(Bytes::from_static(b"x")), link.clone()];
        let made = Made { pictures, flagged: vec![false, true], ..Made::default() };
        let written = made.written();
        assert_eq!((written.pictures.as_slice(), &*written.flagged), (&[Source::Here, link][..], &[false, true][..]));
        assert_eq!(serde_json::from_str::<Made>(&serde_json::to_string(&written).unwrap()).unwrap(), written);
    }
}
