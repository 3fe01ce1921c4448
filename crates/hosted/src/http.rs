//! Sends requests, with the guards that hold for all of them.
//!
//! - The key goes to hosts of the provider and to no other; a request for any other host that wants it is not sent.
//! - An answer that redirects is no answer for a request with the key. Downloads follow five redirects, none of them to less
//!   than https, and none to an address in a private network, unless the provider itself is on this machine.
//! - The same behind a proxy, which is named by whoever runs this: what resolves to a private network here is not asked of it.
//! - What is too long is not read to its end.
//! - Who is silent for too long is taken for gone where asking again costs nothing: a GET changes nothing.

use std::collections::BTreeMap;
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
use crate::patience::Patience;
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
    proxy: Option<Proxy>,
    silence: Duration,
}

/// What stands between here and everything outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    pub url: Url,
    /// What is asked without it, as in `NO_PROXY`.
    pub but: Option<String>,
}

impl Proxy {
    /// By the variables that everybody knows; only https goes out.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Option<Proxy> {
        let first = |names: &[&str]| names.iter().find_map(|name| variable(name).filter(|text| !text.is_empty()));
        let text = first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])?;
        let text = if text.contains("://") { text } else { format!("http://{text}") };
        Some(Proxy { url: Url::parse(&text).ok()?, but: first(&["NO_PROXY", "no_proxy"]) })
    }

    fn on(&self, builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, reqwest::Error> {
        let but = self.but.as_deref().and_then(reqwest::NoProxy::from_string);
        Ok(builder.proxy(reqwest::Proxy::all(self.url.clone())?.no_proxy(but)))
    }
}

/// Who is told how many bytes came, of how many.
pub type Told<'a> = &'a (dyn Fn(u64, Option<u64>) + Sync);

impl Http {
    /// Fails if the system's certificates cannot be used.
    pub fn new(patience: &Patience, proxy: Option<Proxy>) -> Result<Http, reqwest::Error> {
        // Someone may have installed it before, and then it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .redirect(Policy::none())
                .connect_timeout(patience.connect)
                .pool_idle_timeout(Duration::from_secs(30))
                // The environment is read in one place, and not here.
                .no_proxy()
        };
        let through = |builder| match &proxy {
            Some(proxy) => proxy.on(builder),
            None => Ok(builder),
        };
        // The proxy itself is often in a private network.
        let but = proxy.as_ref().and_then(|proxy| proxy.url.host_str().map(str::to_owned));
        Ok(Http {
            api: through(builder())?.build()?,
            local: builder().build()?,
            public: through(builder().dns_resolver(PublicOnly { but }))?.build()?,
            proxy,
            silence: patience.silence,
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
        let client = self.client(endpoint, url).await?;
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
                Api::OpenAi | Api::Lumenfall | Api::Replicate | Api::Together => {
                    (AUTHORIZATION, format!("Bearer {}", key.reveal()))
                }
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
        let silence = (request.method == Method::Get).then_some(self.silence);
        let sent = in_time(silence, builder.send()).await.map_err(Silent::fault)?;
        let response = sent.map_err(|error| trouble(endpoint, &error))?;
        let status = response.status();
        if status.is_redirection() {
            let message = format!("{} sends on elsewhere, where a request with a key does not follow", shown(url));
            // It would be the same the next time.
            let should_retry = Some(false);
            return Err(Fault { status: Some(status.as_u16()), should_retry, ..Fault::new(Class::Server, message) });
        }
        let answer = Response { status: status.as_u16(), headers: headers(&response), body: Bytes::new() };
        let body = read(response, LONGEST_ANSWER, silence, &|_, _| ()).await.map_err(|problem| match problem {
            ReadProblem::Silent(silent) => silent.fault(),
            ReadProblem::TooLong(most) => Fault::unclear(format!("the answer is longer than {} MiB", most >> 20)),
            ReadProblem::Cut(reason) => {
                Fault::unclear(format!("the answer was cut off: {}", blotted(endpoint, &reason)))
            }
        })?;
        Ok(Response { body, ..answer })
    }

    /// Downloads what an answer named, without the key.
    ///
    /// The status tells how it went; a fault is about the way there. `now` is seconds since 1970.
    pub async fn download(&self, endpoint: &Endpoint, link: &str, now: u64, told: Told<'_>) -> Result<Bytes, Fault> {
        let bad = |message: String| Fault::new(Class::BadImage, message);
        let never = |message: String| Fault { should_retry: Some(false), ..bad(message) };
        let mut url = Url::parse(link).map_err(|_| never("the picture is at no address".to_owned()))?;
        for _ in 0..=MOST_REDIRECTS {
            let is_allowed = match url.scheme() {
                "https" => true,
                "http" => endpoint.is_local() && is_loopback(&url),
                _ => false,
            };
            if !is_allowed {
                return Err(never(format!("{} is not fetched: pictures come by https", shown(&url))));
            }
            let client = self.client(endpoint, &url).await?;
            let sent = in_time(Some(self.silence), client.get(url.clone()).send()).await.map_err(Silent::fault)?;
            let response = sent.map_err(|error| trouble(endpoint, &error))?;
            let status = response.status();
            if status.is_redirection() {
                let to =
                    response.headers().get("location").and_then(|to| to.to_str().ok()).and_then(|to| url.join(to).ok());
                let to = to.ok_or_else(|| never(format!("{} sends on to no address", shown(&url))))?;
                if url.scheme() == "https" && to.scheme() != "https" {
                    return Err(never(format!("{} sends on to {}, which is no https", shown(&url), shown(&to))));
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
                let (status, headers) = (status.as_u16(), headers(&response));
                let retry_after = Response { status, headers, body: Bytes::new() }.retry_after(now);
                return Err(Fault { status: Some(status), retry_after, ..fault });
            }
            return read(response, LONGEST_PICTURE, Some(self.silence), told).await.map_err(|problem| match problem {
                ReadProblem::Silent(silent) => silent.fault(),
                ReadProblem::TooLong(most) => bad(format!("the picture is longer than {} MiB", most >> 20)),
                ReadProblem::Cut(reason) => Fault::new(Class::Network, format!("the picture was cut off: {reason}")),
            });
        }
        Err(bad(format!("{} sends on more than {MOST_REDIRECTS} times", shown(&url))))
    }

    /// Whoever may ask at this address. The provider may be wherever it was put; what an answer names must not lead into a private
    /// network.
    async fn client(&self, endpoint: &Endpoint, url: &Url) -> Result<&reqwest::Client, Fault> {
        let is_own = endpoint.may_see_key(url);
        if is_loopback(url) && (endpoint.is_local() || is_own) {
            return Ok(&self.local);
        }
        if is_own {
            return Ok(&self.api);
        }
        let never = |message: String| Fault { should_retry: Some(false), ..Fault::new(Class::BadImage, message) };
        let ip = match url.host() {
            Some(url::Host::Ipv4(ip)) => Some(ip.into()),
            Some(url::Host::Ipv6(ip)) => Some(ip.into()),
            _ => None,
        };
        if is_loopback(url) || ip.is_some_and(is_private) {
            return Err(never(format!("{} is in a private network", shown(url))));
        }
        // A proxy resolves names by itself, so they are looked at before it is asked.
        if self.proxy.is_some() && ip.is_none() {
            let name = url.host_str().unwrap_or_default();
            if is_private_name(name) {
                return Err(never(format!("`{name}` is in a private network")));
            }
            // Some networks know no names of the outside, and their proxies do.
            if tokio::net::lookup_host((bare(name), 0)).await.is_ok() {
                public_addresses(name).await.map_err(|error| never(error.to_string()))?;
            }
        }
        Ok(&self.public)
    }
}

/// Resolves names to public addresses, and to nothing if there are none.
struct PublicOnly {
    /// The one name that may be anywhere.
    but: Option<String>,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let is_excepted = self.but.as_deref() == Some(name.as_str());
        Box::pin(async move {
            let found: Vec<SocketAddr> = match is_excepted {
                true => tokio::net::lookup_host((name.as_str(), 0)).await?.collect(),
                false => public_addresses(name.as_str()).await?,
            };
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn bare(name: &str) -> &str {
    name.trim_matches(['[', ']']).trim_end_matches('.')
}

/// Whether a name is one that no public name server knows.
fn is_private_name(name: &str) -> bool {
    let name = bare(name).to_ascii_lowercase();
    let ends = ["localhost", "local", "internal", "intranet", "lan", "home", "corp", "home.arpa"];
    !name.contains(['.', ':']) || ends.iter().any(|end| name.ends_with(&format!(".{end}")))
}

async fn public_addresses(name: &str) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
    let found = tokio::net::lookup_host((bare(name), 0)).await;
    let found = found.into_iter().flatten();
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

fn headers(response: &reqwest::Response) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    response.headers().iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?))).collect()
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

/// Nothing came for so long.
struct Silent(Duration);

impl Silent {
    fn fault(self) -> Fault {
        Fault::new(Class::Network, format!("nothing came for {} s", self.0.as_secs_f64()))
    }
}

/// Waits for one answer or one piece of it, as long as may be.
async fn in_time<T>(silence: Option<Duration>, work: impl Future<Output = T>) -> Result<T, Silent> {
    match silence {
        Some(silence) => tokio::time::timeout(silence, work).await.map_err(|_| Silent(silence)),
        None => Ok(work.await),
    }
}

enum ReadProblem {
    TooLong(usize),
    Cut(String),
    Silent(Silent),
}

/// Reads a body to its end, and no more than `most` bytes of it, unpacked.
async fn read(
    mut response: reqwest::Response,
    most: usize,
    silence: Option<Duration>,
    told: Told<'_>,
) -> Result<Bytes, ReadProblem> {
    let is_packed = response.headers().get("content-encoding").is_some_and(|value| value.as_bytes() == b"gzip");
    let total = response.content_length();
    if total.is_some_and(|total| total > most as u64) {
        return Err(ReadProblem::TooLong(most));
    }
    let mut body = BytesMut::new();
    loop {
        match in_time(silence, response.chunk()).await.map_err(ReadProblem::Silent)? {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::shipped;

    fn proxy(variables: &[(&str, &str)]) -> Option<Proxy> {
        Proxy::of(&|name| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned()))
    }

    #[test]
    fn a_proxy_is_named_by_the_variables_that_everybody_knows() {
        let found = proxy(&[("https_proxy", "proxy.example:3128"), ("NO_PROXY", "example.org")]).unwrap();
        assert_eq!((found.url.as_str(), found.but.as_deref()), ("http://proxy.example:3128/", Some("example.org")));
        assert_eq!(
            [proxy(&[]), proxy(&[("HTTPS_PROXY", "")]), proxy(&[("HTTP_PROXY", "http://x")])],
            [None, None, None]
        );
    }

    fn http(proxy: Option<&str>) -> Http {
        let proxy = proxy.map(|url| Proxy { url: Url::parse(url).unwrap(), but: None });
        Http::new(&Patience::default(), proxy).unwrap()
    }

    fn endpoint(base: &str) -> Endpoint {
        Endpoint::new("openai", &shipped()["openai"], Some(base), None, None).unwrap()
    }

    #[tokio::test]
    async fn a_gateway_in_the_house_gives_its_own_pictures_and_nobody_leads_to_another_place_there() {
        let (http, gateway) = (http(None), endpoint("https://192.168.0.7/v1"));
        let at = async |url: &str| http.client(&gateway, &Url::parse(url).unwrap()).await;
        assert!(std::ptr::eq(at("https://192.168.0.7/files/a.png").await.unwrap(), &raw const http.api));
        assert!(std::ptr::eq(at("https://example.org/a.png").await.unwrap(), &raw const http.public));
        for url in ["https://192.168.0.8/a.png", "https://192.168.0.7:8443/a.png", "https://localhost/a.png"] {
            assert!(at(url).await.unwrap_err().message.contains("is in a private network"), "{url}");
        }
    }

    #[tokio::test]
    async fn what_an_answer_names_is_looked_at_before_a_proxy_is_asked_whatever_is_sent_there() {
        // Nobody listens there.
        let http = http(Some("http://127.0.0.1:9"));
        let fal = Endpoint::new("fal", &shipped()["fal"], None, None, None).unwrap();
        for url in ["https://nas.local/a", "https://intranet/a", "https://metadata.google.internal/a"] {
            let put = Request { method: Method::Put, is_keyed: false, ..Request::get(Url::parse(url).unwrap()) };
            for fault in
                [http.send(&fal, &put).await.unwrap_err(), http.download(&fal, url, 0, &|_, _| ()).await.unwrap_err()]
            {
                assert!(fault.message.contains("is in a private network"), "{url}: {}", fault.message);
            }
        }
    }

    #[tokio::test]
    async fn names_resolve_to_public_addresses_or_to_nothing() {
        let resolve = async |but: Option<&str>| {
            let only = PublicOnly { but: but.map(str::to_owned) };
            only.resolve("localhost".parse().unwrap()).await.map(Iterator::count)
        };
        assert!(resolve(None).await.unwrap_err().to_string().contains("`localhost` is in a private network"));
        assert!(resolve(Some("localhost")).await.unwrap() > 0, "but for a proxy");
    }

    #[test]
    fn names_of_the_house_are_known_as_such() {
        let private = ["intranet", "localhost", "LOCALHOST.", "a.localhost", "metadata.google.internal.", "nas.local"];
        assert!(private.into_iter().all(is_private_name));
        assert!(!["fal.media", "replicate.delivery.", "[2001:db8::1]"].into_iter().any(is_private_name));
    }
}
