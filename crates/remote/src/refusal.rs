//! Requests that got no answer, and answers that no second request would change.
//!
//! A store that is slow or gone may answer the next time, and is given a few tries. One that says that there is no such
//! bucket, or that whoever asks may not, says so every time: it is believed at once, and people are told what to look at.

use std::time::Duration;

use object_store::{Error, ObjectStoreScheme};

/// A request that got no answer, not in time, or a no.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("no answer within {} s{hint}", .limit.as_secs_f32())]
    TooSlow { limit: Duration, hint: &'static str },
    #[error("there is nothing at this place")]
    NotThere,
    #[error("there is no such bucket: make it, or correct the address, {address} ({answer})")]
    NoBucket { address: String, answer: String },
    #[error("whoever asks may not: look at {asker} ({answer})")]
    Denied { asker: String, answer: String },
    #[error("{}{hint}", one_line(.error))]
    Store { error: Box<Error>, hint: &'static str },
}

impl RequestError {
    /// Whether every request of its way would end so.
    pub fn is_final(&self) -> bool {
        matches!(self, RequestError::NoBucket { .. } | RequestError::Denied { .. })
    }
}

/// What a store's error is a sign of.
pub fn failure(error: Error, address: &str, asker: &Asker) -> RequestError {
    let answer = answer_in(&error);
    match error {
        Error::NotFound { .. } if names_no_bucket(&answer) => {
            RequestError::NoBucket { address: address.to_owned(), answer }
        }
        Error::NotFound { .. } => RequestError::NotThere,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            RequestError::Denied { asker: asker.place.clone(), answer }
        }
        error => RequestError::Store { error: Box::new(error), hint: asker.hint },
    }
}

/// As S3 and Google say it, and Azure.
fn names_no_bucket(answer: &str) -> bool {
    answer.contains("NoSuchBucket") || answer.contains("ContainerNotFound")
}

/// The code and the message of an answer in XML, as buckets give it; of any other, all of it.
fn answer_in(error: &Error) -> String {
    let text = error.to_string();
    let between = |tag: &str| Some(text.split_once(&format!("<{tag}>"))?.1.split_once(&format!("</{tag}>"))?.0);
    match (between("Code"), between("Message")) {
        (Some(code), Some(message)) => one_line(&format!("{code}: {message}")),
        _ => one_line(&text),
    }
}

/// The most characters of an error that are told: servers answer with pages.
const MOST_TOLD: usize = 400;

fn one_line(why: &dyn std::fmt::Display) -> String {
    let text = why.to_string();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(MOST_TOLD) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// Where it is said who asks.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    /// What to look at when whoever asks may not.
    pub place: String,
    /// What may be why nothing answers; empty if nothing is known.
    pub hint: &'static str,
}

/// Any of these names someone to S3.
const S3_ASKERS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
];

/// And these to Google.
const GOOGLE_ASKERS: [&str; 5] = [
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_SKIP_SIGNATURE",
];

impl Asker {
    pub fn of(scheme: &ObjectStoreScheme, variables: &[(String, String)]) -> Asker {
        let is_set = |name: &&str| variables.iter().any(|(set, _)| set == name);
        let list = |names: &[&str]| {
            let name = |name: &&str| if is_set(name) { (*name).to_owned() } else { format!("{name} (not set)") };
            names.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        let place = match scheme {
            // What a key may not list, S3 calls denied where it is only not there.
            ObjectStoreScheme::AmazonS3 => {
                list(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"])
                    + ", and at whether the key may s3:ListBucket, which reading needs too"
            }
            ObjectStoreScheme::GoogleCloudStorage => list(&["GOOGLE_SERVICE_ACCOUNT"]),
            ObjectStoreScheme::MicrosoftAzure => list(&["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"]),
            ObjectStoreScheme::Http => "the name and the password in the address".to_owned(),
            _ => "the rights of the folder".to_owned(),
        };
        let is_any_set = |names: &[&str]| names.iter().any(is_set);
        let hint = match scheme {
            ObjectStoreScheme::AmazonS3 if !is_any_set(&S3_ASKERS) => {
                "; AWS_ACCESS_KEY_ID is not set, so a role of this machine was looked for"
            }
            ObjectStoreScheme::GoogleCloudStorage if !is_any_set(&GOOGLE_ASKERS) => {
                "; GOOGLE_SERVICE_ACCOUNT is not set, so a login of gcloud or a role of this machine was looked for"
            }
            _ => "",
        };
        Asker { place, hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure_of(error: Error) -> String {
        failure(error, "s3://bucket", &Asker::default()).to_string()
    }

    fn not_found(answer: &str) -> Error {
        Error::NotFound { path: "v1/blob".to_owned(), source: answer.into() }
    }

    #[test]
    fn an_object_that_is_not_there_is_told_from_a_bucket_that_is_not() {
        let no_object = "404: <Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>";
        let no_bucket = "404: <Error><Code>NoSuchBucket</Code><Message>The bucket\ndoes not exist.</Message></Error>";
        assert_eq!(failure_of(not_found(no_object)), "there is nothing at this place");
        assert_eq!(
            failure_of(not_found(no_bucket)),
            "there is no such bucket: make it, or correct the address, s3://bucket (NoSuchBucket: The bucket does not \
             exist.)"
        );
    }

    #[test]
    fn a_page_for_an_answer_is_cut() {
        let page = Error::Generic { store: "web", source: "words ".repeat(10_000).into() };
        assert!(failure_of(page).chars().count() <= MOST_TOLD + 1);
    }

    #[test]
    fn what_says_who_asks_is_named_with_what_of_it_is_not_set() {
        let variables = [("AWS_ACCESS_KEY_ID".to_owned(), "me".to_owned())];
        let asker = Asker::of(&ObjectStoreScheme::AmazonS3, &variables);
        assert!(asker.place.starts_with("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (not set), AWS_REGION (not set)"));
        assert_eq!(asker.hint, "");
        assert!(Asker::of(&ObjectStoreScheme::AmazonS3, &[]).hint.contains("AWS_ACCESS_KEY_ID is not set"));
    }
}
