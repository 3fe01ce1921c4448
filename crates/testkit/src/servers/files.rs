//! Where files lie that anybody may fetch who knows their address: pictures that were made, and references that were handed over.
//!
//! No key belongs here. The journal says if one came all the same.

use hyper::body::Bytes;
use serde_json::json;

use super::fault::tags;
use super::http::{Answer, Request};
use super::picture::{self, Reference};
use super::world::{Commission, World};
use super::{Origin, Provider, Stage};

/// A file.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub name: String,
    pub content_type: String,
    /// Nothing as long as it is only announced.
    pub bytes: Option<Bytes>,
    /// Whose it is.
    pub provider: Option<Provider>,
    /// The tags of the prompt that it was made from.
    pub tags: Vec<String>,
}

/// Why a reference cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadReference {
    /// It is not where the address says.
    Missing,
    /// It is no picture.
    NoPicture,
}

impl World {
    /// Keeps a file, and returns its address.
    pub fn keep(&mut self, file: File) -> String {
        let id = self.new_id();
        // Clients name files as they like.
        let is_safe = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
        let name: String = file.name.chars().map(|letter| if is_safe(letter) { letter } else { '_' }).collect();
        let url = format!("{}/f/{id}/{name}", self.url(Origin::Files));
        self.files.insert(id, file);
        url
    }

    /// Keeps a picture that was made, and returns its address.
    pub fn keep_picture(&mut self, commission: &Commission, name: &str, bytes: Bytes) -> String {
        self.keep(File {
            name: format!("{name}.{}", commission.format.extension()),
            content_type: commission.format.content_type().to_owned(),
            bytes: Some(bytes),
            provider: Some(commission.provider),
            tags: tags(&commission.prompt),
        })
    }

    /// Reads a reference from where an input says that it is. Other machines are asked for nothing.
    pub fn reference(&self, url: &str) -> Result<Reference, BadReference> {
        if let Some(data) = url.strip_prefix("data:") {
            let (_, text) = data.split_once(";base64,").ok_or(BadReference::NoPicture)?;
            let bytes = base64::decode(text).map_err(|_| BadReference::NoPicture)?;
            return picture::read(&bytes).ok_or(BadReference::NoPicture);
        }
        let place = url::Url::parse(url).map_err(|_| BadReference::Missing)?;
        let is_here = self.ports.values().any(|port| place.port() == Some(*port));
        let mut segments = place.path_segments().into_iter().flatten().filter(|_| is_here);
        let file = segments.find_map(|segment| self.files.get(segment)).ok_or(BadReference::Missing)?;
        let bytes = file.bytes.as_ref().ok_or(BadReference::Missing)?;
        picture::read(bytes).ok_or(BadReference::NoPicture)
    }
}

pub(super) fn stage(request: &Request, segments: &[&str]) -> Option<Stage> {
    match (&*request.method, segments) {
        ("GET" | "HEAD", ["f", _, _]) => Some(Stage::Picture),
        ("PUT", ["f", _, _]) | ("POST", ["files", "upload"]) => Some(Stage::Upload),
        _ => None,
    }
}

pub(super) fn answer(world: &mut World, request: &Request) -> Answer {
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (&*request.method, &*segments) {
        ("GET" | "HEAD", ["f", id, _]) => match world.files.get(*id) {
            // As its own does with those who do not say who they are.
            Some(File { provider: Some(Provider::Together), .. }) if request.header("user-agent").is_none() => {
                Answer::new(403, "text/plain", "say who you are")
            }
            Some(File { bytes: Some(bytes), content_type, .. }) => {
                let tag = format!("\"{}\"", blake3::hash(bytes).to_hex());
                Answer::new(200, content_type, bytes.clone()).with("etag", tag)
            }
            _ => Answer::new(404, "text/plain", "no such file"),
        },
        ("PUT", ["f", id, _]) if request.query("signature") == Some("testkit") => match world.files.get_mut(*id) {
            Some(file) if file.bytes.is_none() => {
                file.bytes = Some(request.body.clone());
                Answer::new(200, "text/plain", "")
            }
            _ => Answer::new(403, "text/plain", "this address was used or is none"),
        },
        ("POST", ["files", "upload"]) if request.header("authorization") == Some("Bearer upload-token") => {
            let header = |name: &str, default: &str| request.header(name).unwrap_or(default).to_owned();
            let url = world.keep(File {
                name: header("x-fal-file-name", "file"),
                content_type: header("content-type", "application/octet-stream"),
                bytes: Some(request.body.clone()),
                provider: Some(Provider::Fal),
                tags: Vec::new(),
            });
            Answer::json(200, &json!({ "access_url": url }))
        }
        ("PUT" | "POST", _) => Answer::new(403, "text/plain", "no signature or token that fits"),
        _ => Answer::new(404, "text/plain", "no such file"),
    }
}

/// The answer of a host that nobody configured: whatever somebody is led to is there.
pub(super) fn elsewhere(world: &mut World, request: &Request) -> Answer {
    match request.method.as_str() {
        "GET" | "HEAD" => answer(world, request),
        _ => Answer::json(200, &json!({ "thanks": "for what you sent" })),
    }
}
