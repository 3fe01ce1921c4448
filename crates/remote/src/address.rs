//! From an address to a store.
//!
//! | address | is |
//! | --- | --- |
//! | `s3://bucket/prefix` | S3 and what speaks like it; `AWS_…` variables say who asks, and with `AWS_ENDPOINT` where |
//! | `gs://bucket/prefix` | Google Cloud Storage; `GOOGLE_…` variables |
//! | `az://container/prefix` | Azure Blob Storage; `AZURE_…` variables |
//! | `https://host/prefix`, `http://…` | a web server; to write, one that takes PUT |
//! | `file:///folder` | a folder that machines share |
//!
//! Variables are those that the `object_store` crate knows. They are given, this crate reads no environment.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme};
use url::{Position, Url};

use crate::refusal::Asker;

/// A store and the place in it.
#[derive(Clone, Debug)]
pub struct Address {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
    pub(crate) asker: Asker,
    /// Where a folder is, if it is one.
    pub(crate) folder: Option<PathBuf>,
    shown: String,
}

/// An address that leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    #[error(
        "`{text}` is no address: {error}; write s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, \
         https://host/prefix or file:///folder"
    )]
    NotAnAddress { text: String, error: url::ParseError },
    #[error(
        "`{0}` is no address of results: write s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, \
         https://host/prefix or file:///folder"
    )]
    UnknownScheme(String),
    #[error("`{0}` needs the feature `cloud`, which this program was built without; file:///folder works")]
    NotBuiltIn(String),
    #[error("the store of `{text}` cannot be opened: {error}; look at {asker}")]
    Store { text: String, error: Box<object_store::Error>, asker: String },
}

impl Address {
    /// Opens the store that `text` names, without asking it anything. `variables` hold what it needs to know beside.
    pub fn open(text: &str, variables: &[(String, String)]) -> Result<Address, AddressError> {
        let hidden = || without_what_may_be_a_password(text);
        let url = Url::parse(text).map_err(|error| AddressError::NotAnAddress { text: hidden(), error })?;
        let unknown = |_| AddressError::UnknownScheme(hidden());
        let (scheme, prefix) = ObjectStoreScheme::parse(&url).map_err(unknown)?;
        let shown = without_password(&url);
        let asker = Asker::of(&scheme, variables);
        let folder = url.to_file_path().ok().filter(|_| matches!(scheme, ObjectStoreScheme::Local));
        let store: Arc<dyn ObjectStore> = match scheme {
            ObjectStoreScheme::Local => Arc::new(LocalFileSystem::new()),
            #[cfg(feature = "cloud")]
            scheme => cloud::open(&scheme, &url, variables)
                .map_err(|error| {
                    let (text, error, asker) = (shown.clone(), Box::new(error), asker.place.clone());
                    AddressError::Store { text, error, asker }
                })?
                .ok_or_else(|| AddressError::UnknownScheme(shown.clone()))?,
            #[cfg(not(feature = "cloud"))]
            ObjectStoreScheme::Memory => return Err(AddressError::UnknownScheme(shown)),
            #[cfg(not(feature = "cloud"))]
            _ => return Err(AddressError::NotBuiltIn(shown)),
        };
        Ok(Address { store, prefix, asker, folder, shown })
    }

    /// A place in a store that is open already; `shown` is what people are told it is.
    pub fn of(store: Arc<dyn ObjectStore>, prefix: &str, shown: &str) -> Address {
        let (asker, folder) = Default::default();
        Address { store, prefix: Path::from(prefix), asker, folder, shown: shown.to_owned() }
    }
}

/// As given, but without a password.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

fn without_password(url: &Url) -> String {
    match url.password() {
        Some(_) => format!("{}…{}", &url[..Position::BeforePassword], &url[Position::AfterPassword..]),
        None => url.to_string(),
    }
}

/// A text in which nobody knows where a password would end: at the last `@`, since it may hold anything.
fn without_what_may_be_a_password(text: &str) -> String {
    let from = text.find("://").map_or(0, |scheme| scheme + "://".len());
    match (text[from..].find(':'), text.rfind('@')) {
        (Some(colon), Some(at)) if from + colon < at => format!("{}…{}", &text[..=from + colon], &text[at..]),
        _ => text.to_owned(),
    }
}

#[cfg(feature = "cloud")]
mod cloud {
    use std::sync::Arc;
    use std::time::Duration;

    use object_store::aws::AmazonS3Builder;
    use object_store::azure::MicrosoftAzureBuilder;
    use object_store::gcp::GoogleCloudStorageBuilder;
    use object_store::http::HttpBuilder;
    use object_store::{ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
    use url::{Position, Url};

    /// Opens a store that is asked over the network; none for a scheme that is not one of those.
    pub fn open(
        scheme: &ObjectStoreScheme,
        url: &Url,
        variables: &[(String, String)],
    ) -> object_store::Result<Option<Arc<dyn ObjectStore>>> {
        // One that the program has chosen already holds.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Little patience: a tier that does not answer is gone without.
        let retry = RetryConfig { max_retries: 2, retry_timeout: Duration::from_secs(10), ..RetryConfig::default() };
        let of = |prefix: &str| {
            let lower = move |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
            variables.iter().filter(|(name, _)| name.starts_with(prefix)).map(lower).collect::<Vec<_>>()
        };
        Ok(Some(match scheme {
            ObjectStoreScheme::AmazonS3 => {
                let mut builder = AmazonS3Builder::new().with_url(url.as_str()).with_retry(retry);
                for (name, value) in of("AWS_") {
                    if let Ok(key) = name.parse() {
                        builder = builder.with_config(key, value);
                    }
                }
                Arc::new(builder.build()?)
            }
            ObjectStoreScheme::GoogleCloudStorage => {
                let mut builder = GoogleCloudStorageBuilder::new().with_url(url.as_str()).with_retry(retry);
                for (name, value) in of("GOOGLE_") {
                    if let Ok(key) = name.parse() {
                        builder = builder.with_config(key, value);
                    }
                }
                Arc::new(builder.build()?)
            }
            ObjectStoreScheme::MicrosoftAzure => {
                let mut builder = MicrosoftAzureBuilder::new().with_url(url.as_str()).with_retry(retry);
                for (name, value) in of("AZURE_") {
                    if let Ok(key) = name.parse() {
                        builder = builder.with_config(key, value);
                    }
                }
                Arc::new(builder.build()?)
            }
            ObjectStoreScheme::Http => {
                // Whoever writes `http:` means it.
                let options = ClientOptions::new().with_allow_http(url.scheme() == "http");
                let host = &url[..Position::BeforePath];
                Arc::new(HttpBuilder::new().with_url(host).with_client_options(options).with_retry(retry).build()?)
            }
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_told_with_what_would_be() {
        for text in ["/shared/rondel", "bucket", "ftp://host/x", "memory:///"] {
            let message = Address::open(text, &[]).unwrap_err().to_string();
            assert!(message.contains(text) && message.contains("s3://bucket/prefix"), "{message}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let url = Url::parse("https://me:secret@host/prefix").unwrap();
        assert_eq!(without_password(&url), "https://me:…@host/prefix");
    }

    #[test]
    fn a_password_is_not_shown_in_what_is_no_address() {
        for (text, shown) in [
            ("https://me:secret@host:99999/x", "https://me:…@host:99999/x"),
            ("https://me:se/c@ret@host/x", "https://me:…@host/x"),
            ("ftp://me:secret@host/x", "ftp://me:…@host/x"),
            ("me:secret@host/x", "me:…@host/x"),
        ] {
            let message = Address::open(text, &[]).unwrap_err().to_string();
            assert!(message.starts_with(&format!("`{shown}` is no address")), "{message}");
        }
    }

    #[test]
    fn a_folder_is_an_address() {
        let address = Address::open("file:///shared/results", &[]).unwrap();
        assert_eq!((address.prefix.as_ref(), &*address.to_string()), ("shared/results", "file:///shared/results"));
    }

    #[cfg(feature = "cloud")]
    #[test]
    fn every_store_is_opened_by_its_scheme() {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let variables = [
            variable("AWS_ACCESS_KEY_ID", "me"),
            variable("AWS_SECRET_ACCESS_KEY", "secret"),
            variable("AZURE_STORAGE_ACCOUNT_NAME", "me"),
            variable("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0"),
            // Not meant for any store.
            variable("TOKEN", "none of yours"),
        ];
        for (text, shown) in [
            ("s3://bucket/prefix", "AmazonS3(bucket)"),
            ("gs://bucket/prefix", "GoogleCloudStorage(bucket)"),
            ("az://container/prefix", "MicrosoftAzure { account: me, container: container }"),
            ("http://host:81/prefix", "HttpStore"),
            ("https://host/prefix", "HttpStore"),
        ] {
            let address = Address::open(text, &variables).unwrap();
            assert_eq!((address.store.to_string(), address.prefix.as_ref()), (shown.to_owned(), "prefix"));
        }
    }

    #[cfg(not(feature = "cloud"))]
    #[test]
    fn what_was_left_out_is_said() {
        assert!(matches!(Address::open("s3://bucket/prefix", &[]), Err(AddressError::NotBuiltIn(_))));
    }
}
