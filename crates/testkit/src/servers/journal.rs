//! What was asked: one entry for each request, written when it arrives.

use serde_json::{Value, json};

use super::http::Request;
use super::{Origin, Provider, Stage, multipart};

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which server it came to.
    pub origin: Origin,
    /// Whose service that is, or whose picture is fetched.
    pub provider: Option<Provider>,
    /// What it is for, if that is anything that the service knows.
    pub stage: Option<Stage>,
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// What stands behind `?`, decoded.
    pub query: Vec<(String, String)>,
    /// Its headers, names in small letters; where a key stands, `<key of fal>`.
    pub headers: Vec<(String, String)>,
    /// Whose key it carried, wherever it stands.
    pub key_of: Option<Provider>,
    /// What it carried. Nothing as long as it is not read.
    pub body: Body,
    /// How it was answered; nothing if it was not, or not yet.
    pub status: Option<u16>,
    /// What went wrong by intent.
    pub fault: Option<super::Fault>,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// None.
    Nothing,
    /// JSON.
    Json(Value),
    /// A form, in the order of its parts.
    Form(Vec<Part>),
    /// So many bytes of anything else.
    Bytes(usize),
}

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name of the field.
    pub name: String,
    /// The name of the file.
    pub file_name: Option<String>,
    /// The type that it was sent with.
    pub content_type: Option<String>,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Entry {
    pub(super) fn new(request: &Request) -> Self {
        let key_of = Provider::ALL.into_iter().find(|provider| {
            let holds_key = |text: &str| text.contains(provider.key());
            request.headers.iter().chain(&request.query).any(|(_, value)| holds_key(value)) || holds_key(&request.path)
        });
        let without_keys = |(name, value): &(String, String)| {
            let hide = |text: String, provider: Provider| {
                text.replace(provider.key(), &format!("<key of {}>", provider.name()))
            };
            (name.clone(), Provider::ALL.into_iter().fold(value.clone(), hide))
        };
        Self {
            origin: request.origin,
            provider: request.origin.provider(),
            stage: None,
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.iter().map(without_keys).collect(),
            headers: request.headers.iter().map(without_keys).collect(),
            key_of,
            body: Body::Nothing,
            status: None,
            fault: None,
        }
    }

    /// A header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of == name).map(|(_, value)| &**value)
    }

    /// As JSON, for those who ask the admin's server.
    pub(super) fn to_json(&self) -> Value {
        let body = match &self.body {
            Body::Nothing => Value::Null,
            Body::Json(body) => body.clone(),
            Body::Bytes(n_bytes) => json!({ "bytes": n_bytes }),
            Body::Form(parts) => parts.iter().map(Part::to_json).collect(),
        };
        json!({
            "origin": self.origin.name(),
            "provider": self.provider.map(Provider::name),
            "stage": self.stage.map(|stage| format!("{stage:?}").to_lowercase()),
            "method": self.method,
            "path": self.path,
            "query": self.query.iter().cloned().map(|(name, value)| (name, Value::from(value))).collect::<Value>(),
            "headers": self.headers.iter().cloned().map(|(name, value)| (name, Value::from(value))).collect::<Value>(),
            "key_of": self.key_of.map(Provider::name),
            "body": body,
            "status": self.status,
            "fault": self.fault.as_ref().map(|fault| format!("{fault:?}")),
        })
    }
}

impl Body {
    pub(super) fn of(request: &Request) -> Self {
        if request.body.is_empty() {
            Self::Nothing
        } else if let Some(parts) = multipart::read(request) {
            Self::Form(parts)
        } else if let Some(body) = request.json() {
            Self::Json(body)
        } else {
            Self::Bytes(request.body.len())
        }
    }
}

impl Part {
    /// Its text, if it is no file.
    pub fn text(&self) -> Option<&str> {
        if self.file_name.is_some() { None } else { std::str::from_utf8(&self.bytes).ok() }
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "file_name": self.file_name,
            "content_type": self.content_type,
            "text": self.text(),
            "bytes": self.bytes.len(),
        })
    }
}
