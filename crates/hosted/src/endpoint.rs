//! Where a provider is, and who may see its key.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::providers::{Api, Provider};

/// An address that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("`{0}` is not an address such as https://api.example.org/v1")]
    NotAnAddress(String),
    #[error("`{0}` would send the key in the clear: write https, or an address of this machine")]
    InTheClear(String),
    #[error("`{0}` holds a user or a query: an address has neither, and keys stand elsewhere")]
    HoldsMore(String),
}

/// A key. It shows itself nowhere but in the header that it is sent in.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: &str) -> Option<Secret> {
        let text = text.trim();
        (!text.is_empty()).then(|| Secret(text.to_owned()))
    }

    /// The key itself, for the header.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// The text with the key, and any half of it that is a secret by itself, blotted out.
    pub fn blot(&self, text: &str) -> String {
        let parts = self.0.split([':', '.']).filter(|part| part.len() >= 12);
        [&*self.0].into_iter().chain(parts).fold(text.to_owned(), |text, part| text.replace(part, "[key]"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

/// A provider as it is reached.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub name: String,
    pub api: Api,
    pub base: Url,
    pub uploads: Url,
    pub key: Option<Secret>,
    /// What its answers say of cost is what it bills.
    pub tells_cost: bool,
    /// Hosts with their ports.
    key_hosts: Vec<(String, u16)>,
}

/// Reads an address: https, or http on this machine.
pub fn address(text: &str) -> Result<Url, AddressError> {
    let url = Url::parse(text.trim()).ok().filter(|url| url.has_host());
    let url = url.ok_or_else(|| AddressError::NotAnAddress(text.to_owned()))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        // Said without what it holds.
        return Err(AddressError::HoldsMore(format!("{}://{}…", url.scheme(), url.host_str().unwrap_or_default())));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(AddressError::InTheClear(text.to_owned())),
        _ => Err(AddressError::NotAnAddress(text.to_owned())),
    }
}

/// Whether an address is on this machine by its name: one of the three that nobody can give another meaning.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip == Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(ip)) => ip == Ipv6Addr::LOCALHOST,
        None => false,
    }
}

/// Whether an address leads to a network that is nobody else's business: this machine, the house, the cloud's own services.
pub fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
                || is_shared
                || a == 0
        }
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => is_private(ip.into()),
            None => {
                let first = ip.segments()[0];
                ip.is_loopback()
                    || ip.is_unspecified()
                    || ip.is_multicast()
                    || first & 0xfe00 == 0xfc00
                    || first & 0xffc0 == 0xfe80
            }
        },
    }
}

impl Endpoint {
    /// A provider at its own address, or at others that were put in its place.
    pub fn new(
        name: &str,
        provider: &Provider,
        base: Option<&str>,
        uploads: Option<&str>,
        key: Option<Secret>,
    ) -> Result<Endpoint, AddressError> {
        let own = address(&provider.base)?;
        let chosen = match base {
            Some(text) => with_path(address(text)?, own.path()),
            None => own,
        };
        let uploads = match (uploads, base, &provider.uploads) {
            (Some(text), ..) => address(text)?,
            // What stands in for the provider stands in for all of it.
            (None, Some(_), _) | (None, None, None) => chosen.clone(),
            (None, None, Some(text)) => address(text)?,
        };
        let mut key_hosts: Vec<(String, u16)> = [&chosen, &uploads].into_iter().map(place).collect();
        key_hosts.extend(provider.hosts.iter().map(|host| (host.to_ascii_lowercase(), 443)));
        let (name, api, tells_cost) = (name.to_owned(), provider.api, provider.tells_cost);
        Ok(Endpoint { name, api, base: chosen, uploads, key, tells_cost, key_hosts })
    }

    /// Whether the key may be sent there.
    pub fn may_see_key(&self, url: &Url) -> bool {
        self.key_hosts.contains(&place(url)) && (url.scheme() == "https" || is_loopback(url))
    }

    /// Whether the provider is on this machine.
    pub fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    /// The address of something below the base; no slash is doubled.
    pub fn at(&self, path: &str) -> Url {
        below(&self.base, path)
    }

    /// The address of something below where references are put.
    pub fn upload_at(&self, path: &str) -> Url {
        below(&self.uploads, path)
    }
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    url.set_path(&format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/')));
    url.set_query(query);
    url
}

/// An address without a path gets the one that the provider's own has.
fn with_path(mut url: Url, path: &str) -> Url {
    if url.path().trim_matches('/').is_empty() {
        url.set_path(path);
    }
    url
}

/// Host and port; the names of this machine are one.
fn place(url: &Url) -> (String, u16) {
    let host =
        if is_loopback(url) { "localhost".to_owned() } else { url.host_str().unwrap_or_default().to_ascii_lowercase() };
    (host, url.port_or_known_default().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::shipped;

    fn endpoint(name: &str, base: Option<&str>) -> Endpoint {
        Endpoint::new(name, &shipped()[name], base, None, Secret::new("abcdef:0123456789abcdef")).unwrap()
    }

    #[test]
    fn slashes_are_never_doubled_and_paths_never_lost() {
        let at = |name: &str, base| endpoint(name, base).at("/images/edits").to_string();
        assert_eq!(at("lumenfall", None), "https://api.lumenfall.ai/openai/v1/images/edits");
        assert_eq!(at("lumenfall", Some("http://127.0.0.1:9/")), "http://127.0.0.1:9/openai/v1/images/edits");
        assert_eq!(at("openai", Some("https://gateway.example/v1/")), "https://gateway.example/v1/images/edits");
        assert_eq!(at("openai", Some("https://gateway.example/proxy")), "https://gateway.example/proxy/images/edits");
    }

    #[test]
    fn the_key_goes_to_its_own_hosts_only() {
        let sees = |endpoint: &Endpoint, url: &str| endpoint.may_see_key(&Url::parse(url).unwrap());
        let bfl = endpoint("bfl", None);
        assert!(sees(&bfl, "https://api.eu.bfl.ai/v1/get_result?id=1") && sees(&bfl, "https://api.bfl.ai/x"));
        for url in
            ["https://api.bfl.ai.evil.example/", "https://bfl.ai/", "http://api.bfl.ai/", "https://api.bfl.ai:8443/"]
        {
            assert!(!sees(&bfl, url), "{url}");
        }
        let local = endpoint("bfl", Some("http://127.0.0.1:9"));
        assert!(sees(&local, "http://localhost:9/v1/get_result") && sees(&local, "http://[::1]:9/"));
        assert!(!sees(&local, "http://localhost:10/") && !sees(&local, "https://api.bfl.ai/x"));
        let fal = endpoint("fal", None);
        assert!(sees(&fal, "https://rest.fal.ai/storage") && !sees(&fal, "https://v3.fal.media/files/a.png"));
    }

    #[test]
    fn what_stands_in_for_a_provider_stands_in_for_its_uploads() {
        assert_eq!(
            endpoint("fal", Some("http://127.0.0.1:9")).upload_at("a?b=c").to_string(),
            "http://127.0.0.1:9/a?b=c"
        );
    }

    #[test]
    fn private_addresses_are_known() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["1.1.1.1", "100.128.0.1", "2606:4700::1111"] {
            assert!(!is_private(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn http_is_for_three_names_of_this_machine() {
        for url in ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1"] {
            assert!(address(url).is_ok(), "{url}");
        }
        for url in ["http://x.localhost", "http://127.0.0.2", "http://localhost.example"] {
            assert!(address(url).is_err(), "{url}");
        }
    }

    #[test]
    fn an_address_holds_no_key() {
        let error = |text: &str| address(text).unwrap_err().to_string();
        assert!(!error("https://user:hunter2@api.example.org").contains("hunter2"));
        assert!(!error("https://api.example.org/?key=hunter2").contains("hunter2"));
        assert_eq!(error("api.example.org"), "`api.example.org` is not an address such as https://api.example.org/v1");
    }

    #[test]
    fn a_key_is_blotted_out_whole_and_in_parts() {
        let key = Secret::new(" lmnfl_id123.supersecretpart \n").unwrap();
        assert_eq!(key.blot("bad key lmnfl_id123.supersecretpart, supersecretpart"), "bad key [key], [key]");
        assert_eq!(format!("{key:?}"), "[key]");
    }
}
