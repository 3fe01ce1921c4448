//! Sends requests, with the guards that hold for all of them.
//!
//! - The key goes to hosts of the provider and to no other; a request for any other host that wants it is not sent.
//! - An answer that redirects is no answer for a request with the key. Downloads follow five redirects, none of them to less
//!   than https, and none to an address in a private network, unless the provider itself is on this machine.
//! - What is too long is not read to its end.

use std::error::Error;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use url::Url;

use crate::endpoint::{Endpoint, is_loopback, is_private};
use crate::fault::{Class, Fault};
use crate::providers::Api;
use crate::wire::{Body, Method, Request, Response};

const USER_AGENT: &str = concat!("rondel/", env!("CARGO_PKG_VERSION"));

/// The longest answer of an API: ten pictures of four megapixels in base64.
const LONGEST_ANSWER: usize = 256 << 20;

/// The longest picture.
pub const LONGEST_PICTURE: usize = 64 << 20;

const MOST_REDIRECTS: usize = 5;

/// Sends requests.
pub struct Http {
    /// For providers, wherever they are.
    api: reqwest::Client,
    /// The same without a proxy, for this machine.
    local: reqwest::Client,
    /// For what answers name: resolves to public addresses alone.
    public: reqwest::Client,
    /// `public` goes through a proxy, which resolves names for it.
    has_proxy: bool,
}

/// Who is told how many bytes came, of how many.
pub type Told<'a> = &'a (dyn Fn(u64, Option<u64>) + Sync);

impl Http {
    /// Fails if the system's certificates cannot be used.
    pub fn new(connect_timeout: Duration, has_proxy: bool) -> Result<Http, reqwest::Error> {
        // Someone may have installed it before, and then it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .redirect(Policy::none())
                .connect_timeout(connect_timeout)
                .pool_idle_timeout(Duration::from_secs(30))
        };
        Ok(Http {
            api: builder().build()?,
            local: builder().no_proxy().build()?,
            // The proxy itself is often in a private network, so that the resolver would not find it.
            public: match has_proxy {
                true => builder().build()?,
                false => builder().no_proxy().dns_resolver(PublicOnly).build()?,
            },
            has_proxy,
        })
    }

    /// Sends a request to a provider.
    ///
    /// A fault that is not unclear means that nothing was sent.
    pub async fn send(&self, endpoint: &Endpoint, request: &Request) -> Result<Response, Fault> {
        let url = &request.url;
        if !matches!(url.scheme(), "https" | "http") || (url.scheme() == "http" && !is_loopback(url)) {
            return Err(Fault::new(Class::Network, format!("{} is not asked: it is no https", shown(url))));
        }
        // Where the key may go is where the provider is; anything else is an address that an answer named.
        let is_own = endpoint.may_see_key(url);
        if request.is_keyed && !is_own {
            let message = format!("the key is for {} alone and is not sent to {}", shown(&endpoint.base), shown(url));
            return Err(Fault::new(Class::Network, message));
        }
        let client = self.client(endpoint, url, !is_own)?;
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
        };
        let mut builder = client.request(method, url.clone());
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if let (true, Some(key)) = (request.is_keyed, &endpoint.key) {
            let (name, text) = match endpoint.api {
                Api::Fal => (AUTHORIZATION, format!("Key {}", key.reveal())),
                Api::Bfl => (HeaderName::from_static("x-key"), key.reveal().to_owned()),
                Api::OpenAi | Api::Replicate | Api::Together => (AUTHORIZATION, format!("Bearer {}", key.reveal())),
            };
            let mut value = HeaderValue::from_str(&text)
                .map_err(|_| Fault::new(Class::Auth, "the key holds characters that no header can have"))?;
            value.set_sensitive(true);
            builder = builder.header(name, value);
        }
        builder = match &request.body {
            Body::None => builder,
            Body::Json(json) => builder.header(CONTENT_TYPE, "application/json").body(json.to_string()),
            Body::Bytes { content_type, bytes } => builder.header(CONTENT_TYPE, content_type).body(bytes.clone()),
        };
        let response = builder.send().await.map_err(|error| trouble(endpoint, &error))?;
        let status = response.status();
        if status.is_redirection() {
            let message = format!("{} sends on elsewhere, where a request with a key does not follow", shown(url));
            // It would be the same the next time.
            let should_retry = Some(false);
            return Err(Fault { status: Some(status.as_u16()), should_retry, ..Fault::new(Class::Server, message) });
        }
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let answer = Response { status: status.as_u16(), headers, body: Bytes::new() };
        let body = read(response, LONGEST_ANSWER, &|_, _| ()).await.map_err(|problem| match problem {
            ReadProblem::TooLong(most) => Fault::unclear(format!("the answer is longer than {} MiB", most >> 20)),
            ReadProblem::Cut(reason) => {
                Fault::unclear(format!("the answer was cut off: {}", blotted(endpoint, &reason)))
            }
        })?;
        Ok(Response { body, ..answer })
    }

    /// Downloads what an answer named, without the key.
    ///
    /// The status tells how it went; a fault is about the way there.
    pub async fn download(&self, endpoint: &Endpoint, link: &str, told: Told<'_>) -> Result<Bytes, Fault> {
        let bad = |message: String| Fault::new(Class::BadImage, message);
        let mut url = Url::parse(link).map_err(|_| bad("the picture is at no address".to_owned()))?;
        for _ in 0..=MOST_REDIRECTS {
            let is_allowed = match url.scheme() {
                "https" => true,
                "http" => endpoint.is_local() && is_loopback(&url),
                _ => false,
            };
            if !is_allowed {
                return Err(bad(format!("{} is not fetched: pictures come by https", shown(&url))));
            }
            let client = self.client(endpoint, &url, true)?;
            if self.has_proxy && !is_loopback(&url) {
                let name = url.host_str().unwrap_or_default();
                public_addresses(name).await.map_err(|error| Fault::new(Class::Network, error.to_string()))?;
            }
            let response = client.get(url.clone()).send().await.map_err(|error| trouble(endpoint, &error))?;
            let status = response.status();
            if status.is_redirection() {
                let to =
                    response.headers().get("location").and_then(|to| to.to_str().ok()).and_then(|to| url.join(to).ok());
                let to = to.ok_or_else(|| bad(format!("{} sends on to no address", shown(&url))))?;
                if url.scheme() == "https" && to.scheme() != "https" {
                    return Err(bad(format!("{} sends on to {}, which is no https", shown(&url), shown(&to))));
                }
                url = to;
                continue;
            }
            if !status.is_success() {
                let class = match status.as_u16() {
                    404 | 408 | 429 => Class::Network,
                    // Expired, or never meant for us.
                    400..500 => Class::BadImage,
                    _ => Class::Server,
                };
                let fault = Fault::new(class, format!("the picture cannot be fetched from {}", shown(&url)));
                return Err(Fault { status: Some(status.as_u16()), ..fault });
            }
            return read(response, LONGEST_PICTURE, told).await.map_err(|problem| match problem {
                ReadProblem::TooLong(most) => bad(format!("the picture is longer than {} MiB", most >> 20)),
                ReadProblem::Cut(reason) => Fault::new(Class::Network, format!("the picture was cut off: {reason}")),
            });
        }
        Err(bad(format!("{} sends on more than {MOST_REDIRECTS} times", shown(&url))))
    }

    /// Whoever may ask at this address. What an answer named must not lead into a private network.
    fn client(&self, endpoint: &Endpoint, url: &Url, is_named_by_answer: bool) -> Result<&reqwest::Client, Fault> {
        if is_loopback(url) && (endpoint.is_local() || !is_named_by_answer) {
            return Ok(&self.local);
        }
        if !is_named_by_answer {
            return Ok(&self.api);
        }
        let ip = match url.host() {
            Some(url::Host::Ipv4(ip)) => Some(ip.into()),
            Some(url::Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        match is_loopback(url) || ip.is_some_and(is_private) {
            true => Err(Fault::new(Class::BadImage, format!("{} is in a private network", shown(url)))),
            false => Ok(&self.public),
        }
    }
}

/// Resolves names to public addresses, and to nothing if there are none.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move { Ok(Box::new(public_addresses(name.as_str()).await?.into_iter()) as Addrs) })
    }
}

async fn public_addresses(name: &str) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
    let found = tokio::net::lookup_host((name.trim_matches(['[', ']']), 0)).await?;
    let public: Vec<SocketAddr> = found.filter(|address| !is_private(address.ip())).collect();
    match public.is_empty() {
        true => Err(format!("`{name}` is in a private network, or nowhere").into()),
        false => Ok(public),
    }
}

/// Scheme, host and path: a query may be a signature.
pub fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

fn blotted(endpoint: &Endpoint, text: &str) -> String {
    endpoint.key.as_ref().map_or_else(|| text.to_owned(), |key| key.blot(text))
}

/// What a request that got no answer means: unclear, unless it never left.
fn trouble(endpoint: &Endpoint, error: &reqwest::Error) -> Fault {
    let mut reason = String::new();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(error) = cause {
        reason = error.to_string();
        cause = error.source();
    }
    let reason = if reason.is_empty() { error.to_string() } else { reason };
    let reason = blotted(endpoint, reason.split(" (os error").next().unwrap_or_default());
    match error.is_connect() || error.is_builder() {
        true => Fault::new(Class::Network, reason),
        false => Fault::unclear(reason),
    }
}

enum ReadProblem {
    TooLong(usize),
    Cut(String),
}

/// Reads a body to its end, and no more than `most` bytes of it, unpacked.
async fn read(mut response: reqwest::Response, most: usize, told: Told<'_>) -> Result<Bytes, ReadProblem> {
    let is_packed = response.headers().get("content-encoding").is_some_and(|value| value.as_bytes() == b"gzip");
    let total = response.content_length();
    if total.is_some_and(|total| total > most as u64) {
        return Err(ReadProblem::TooLong(most));
    }
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(None) => break,
            Ok(Some(chunk)) if body.len() + chunk.len() > most => return Err(ReadProblem::TooLong(most)),
            Ok(Some(chunk)) => {
                body.extend_from_slice(&chunk);
                told(body.len() as u64, total);
            }
            Err(error) => {
                let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
                return Err(ReadProblem::Cut(cause));
            }
        }
    }
    // Nobody asked for it, and some send it all the same.
    if is_packed {
        let mut unpacked = Vec::new();
        let reader = flate2::read::GzDecoder::new(&body[..]);
        let n = reader
            .take(most as u64 + 1)
            .read_to_end(&mut unpacked)
            .map_err(|error| ReadProblem::Cut(error.to_string()))?;
        return if n > most { Err(ReadProblem::TooLong(most)) } else { Ok(unpacked.into()) };
    }
    Ok(body.freeze())
}
