//! One vocabulary for all that goes wrong.
//!
//! Providers say the same in a dozen shapes: `{error: {code}}`, `{detail: [{type}]}`, a black picture with a flag. A
//! [`Fault`] says what it means: whether trying again helps, whether another provider may be asked, whether it may have cost
//! money.

mod said;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::money::Micros;
use crate::wire::Response;
use said::{Said, few_words, plain};

pub use said::words;

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Auth,
    Billing,
    RateLimited,
    ContentPolicy,
    InvalidRequest,
    NotFound,
    Timeout,
    Network,
    Server,
    BadImage,
    Empty,
    Cancelled,
    /// A limit of the user's own.
    Limit,
}

impl Class {
    pub const fn words(self) -> &'static str {
        match self {
            Class::Auth => "the key is refused",
            Class::Billing => "the account cannot pay",
            Class::RateLimited => "too many requests",
            Class::ContentPolicy => "the provider refused the content",
            Class::InvalidRequest => "the request is refused",
            Class::NotFound => "not found",
            Class::Timeout => "it took too long",
            Class::Network => "the provider cannot be reached",
            Class::Server => "the provider failed",
            Class::BadImage => "what came is no usable picture",
            Class::Empty => "no picture came",
            Class::Cancelled => "cancelled",
            Class::Limit => "stopped before sending",
        }
    }

    /// Whether another provider of the same model may be asked: after faults, never after refusals.
    pub const fn leads_on(self) -> bool {
        matches!(
            self,
            Class::Billing
                | Class::RateLimited
                | Class::NotFound
                | Class::Timeout
                | Class::Network
                | Class::Server
                | Class::Empty
        )
    }

    /// Whether it says something about how reliable the provider is.
    pub const fn is_the_providers(self) -> bool {
        matches!(self, Class::Timeout | Class::Network | Class::Server | Class::BadImage | Class::Empty)
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub class: Class,
    /// What the provider said, or what was seen.
    pub message: String,
    /// The provider's word for it.
    pub code: Option<String>,
    /// The field at fault.
    pub field: Option<String>,
    pub status: Option<u16>,
    pub request_id: Option<String>,
    pub retry_after: Option<Duration>,
    /// The provider forbids or demands another attempt.
    pub should_retry: Option<bool>,
    /// Nobody knows whether the request was carried out.
    pub is_unclear: bool,
    /// The provider says so itself, and not something in its place.
    pub is_its_own: bool,
    /// It may have cost what was reserved.
    pub may_be_billed: bool,
    /// What was, if anybody knows.
    pub may_cost: Option<Micros>,
    /// It is paid for and can still be fetched: nobody else is asked.
    pub is_open: bool,
    /// It was told by the result of a job, and not on the way there.
    pub is_result: bool,
    /// The call that stays open, by its name in the ledger.
    pub call: Option<String>,
}

impl Fault {
    pub fn new(class: Class, message: impl Into<String>) -> Fault {
        Fault {
            class,
            message: message.into(),
            code: None,
            field: None,
            status: None,
            request_id: None,
            retry_after: None,
            should_retry: None,
            is_unclear: false,
            is_its_own: false,
            may_be_billed: false,
            may_cost: None,
            is_open: false,
            is_result: false,
            call: None,
        }
    }

    /// What a provider says of a job, in its own words.
    pub fn said(class: Class, message: &str) -> Fault {
        Fault { is_its_own: true, ..Fault::new(class, few_words(message)) }
    }

    pub fn unclear(message: impl Into<String>) -> Fault {
        Fault { is_unclear: true, may_be_billed: true, ..Fault::new(Class::Network, message) }
    }

    pub fn billed(self) -> Fault {
        Fault { may_be_billed: true, ..self }
    }

    /// What an answer that is no success means. `now` is seconds since 1970.
    pub fn of_response(response: &Response, now: u64) -> Fault {
        let json = response.json();
        let said = json.as_ref().and_then(Said::read);
        // What stands in the provider's place may speak JSON, too, but has no code of the provider's.
        let is_gateway = matches!(response.status, 502 | 504 | 520..=530);
        let is_its_own = said.as_ref().is_some_and(|said| !is_gateway || said.code.is_some());
        let said = said.unwrap_or_else(|| Said { message: plain(&response.body), ..Said::default() });
        let message = few_words(&said.message);
        let code = said.code.clone().unwrap_or_default();
        let class = class_of(response.status, &code, &message);
        let is_quiet_proxy = matches!(response.status, 500 | 502 | 504 | 520..=530) && !is_its_own;
        let fault = Fault {
            code: said.code,
            field: said.field,
            status: Some(response.status),
            request_id: response.request_id(),
            retry_after: response.retry_after(now),
            should_retry: response.header("x-should-retry").and_then(|text| text.parse().ok()),
            is_unclear: is_quiet_proxy,
            is_its_own,
            may_be_billed: is_quiet_proxy,
            ..Fault::new(class, message)
        };
        match response.header("x-fal-request-timeout-type") {
            Some("user") => Fault { should_retry: Some(false), ..fault },
            _ => fault,
        }
    }

    /// Whether the same request may be sent again, having been refused or not carried out.
    pub fn may_be_sent_again(&self) -> bool {
        match (self.should_retry, self.is_unclear, self.class) {
            (Some(false), ..) | (_, true, _) => false,
            // Whoever says that it may be sent again does not mean these.
            (_, _, Class::ContentPolicy | Class::Billing | Class::Auth) => false,
            (_, _, Class::RateLimited | Class::Server | Class::Network) => true,
            // A time-out of theirs, not of ours.
            (_, _, Class::Timeout) => self.status.is_some(),
            (again, ..) => again == Some(true),
        }
    }
}

/// `the provider refused the content (fal: content_policy_violation): …`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.class.words())?;
        let mut facts: Vec<String> = Vec::new();
        facts.extend(self.status.map(|status| format!("HTTP {status}")));
        facts.extend(self.code.clone());
        facts.extend(self.field.as_ref().map(|field| format!("field `{field}`")));
        if !facts.is_empty() {
            write!(f, " ({})", facts.join(", "))?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(wait) = self.retry_after.filter(|_| self.class == Class::RateLimited) {
            write!(f, "; it asks for {} s of patience", wait.as_secs_f64().ceil())?;
        }
        if let Some(id) = &self.request_id {
            write!(f, "; request {id}")?;
        }
        if self.is_unclear {
            f.write_str("; it may have been billed")?;
        }
        if let Some(call) = &self.call {
            write!(f, "; to give it up, say `rondel costs --close {call}`")?;
        }
        Ok(())
    }
}

/// Refused content first, since it hides behind 400, 422 and success, then money, which hides behind 403 and 429.
pub fn class_of(status: u16, code: &str, message: &str) -> Class {
    if is_refusal(code) || is_refusal(message) {
        return Class::ContentPolicy;
    }
    let lower = |text: &str| text.to_ascii_lowercase();
    let (code, words) = (lower(code), lower(message));
    if status == 402
        || ["insufficient_quota", "insufficient_balance", "billing_error"].iter().any(|known| code.contains(known))
        || (matches!(status, 400 | 429)
            && ["insufficient credit", "insufficient balance"].iter().any(|known| words.contains(known)))
        || (status == 403 && ["locked", "exhausted balance"].iter().any(|known| words.contains(known)))
    {
        return Class::Billing;
    }
    match status {
        401 | 403 => Class::Auth,
        404 | 410 => Class::NotFound,
        408 | 504 => Class::Timeout,
        429 => Class::RateLimited,
        500..=599 => Class::Server,
        499 => Class::Cancelled,
        400..=498 => Class::InvalidRequest,
        // Success with an error inside.
        _ => match () {
            () if code.contains("authentication") || code.contains("api_key") => Class::Auth,
            () if code.contains("rate_limit") => Class::RateLimited,
            () if code.contains("not_found") => Class::NotFound,
            () if code.contains("timeout") => Class::Timeout,
            () if code.contains("invalid") => Class::InvalidRequest,
            () => Class::Server,
        },
    }
}

/// Whether words say that content was refused.
pub fn is_refusal(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    let known = [
        "content_policy",
        "content policy",
        "moderation_blocked",
        "nsfw",
        "flagged as sensitive",
        "content moderated",
        "request moderated",
        "image_generation_user_error",
    ];
    known.iter().any(|known| words.contains(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, expected: &str) {
        let response = Response { status, body: body.to_owned().into(), ..Response::default() };
        let fault = Fault::of_response(&response, 0);
        assert_eq!(format!("{:?}: {fault}", fault.class), expected);
    }

    #[test]
    fn every_shape_of_error_is_one_vocabulary() {
        check(
            401,
            r#"{"error":{"message":"Invalid key","type":"authentication_error","code":"AUTHENTICATION_FAILED"}}"#,
            "Auth: the key is refused (HTTP 401, AUTHENTICATION_FAILED): Invalid key",
        );
        check(
            403,
            r#"{"detail":"User is locked. Reason: Exhausted balance."}"#,
            "Billing: the account cannot pay (HTTP 403): User is locked. Reason: Exhausted balance.",
        );
        check(
            429,
            r#"{"error":{"message":"You exceeded your quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            "Billing: the account cannot pay (HTTP 429, insufficient_quota): You exceeded your quota",
        );
        check(
            422,
            r#"{"detail":[{"loc":["body","prompt"],"msg":"no","type":"content_policy_violation"}]}"#,
            "ContentPolicy: the provider refused the content (HTTP 422, content_policy_violation, field `prompt`): no",
        );
        check(
            422,
            r#"{"title":"Input validation failed","detail":"- seed: wrong","status":422}"#,
            "InvalidRequest: the request is refused (HTTP 422, Input validation failed): - seed: wrong",
        );
        check(400, r#"{"error":"bad"}"#, "InvalidRequest: the request is refused (HTTP 400): bad");
        check(404, "no such thing", "NotFound: not found (HTTP 404): no such thing");
        check(
            500,
            r#"{"detail":"boom","error_type":"runner_server_error"}"#,
            "Server: the provider failed (HTTP 500, runner_server_error): boom",
        );
    }

    #[test]
    fn what_stands_in_for_the_provider_leaves_it_unclear() {
        check(
            502,
            "<html><h1>Bad Gateway</h1></html>",
            "Server: the provider failed (HTTP 502): Bad Gateway; it may have been billed",
        );
        // Nothing was started.
        check(503, "<html>busy</html>", "Server: the provider failed (HTTP 503): busy");
    }

    #[test]
    fn a_gateway_that_speaks_json_is_no_provider_and_no_terminal_is_told_what_to_do() {
        check(
            504,
            r#"{"message":"Endpoint request timed out"}"#,
            "Timeout: it took too long (HTTP 504): Endpoint request timed out; it may have been billed",
        );
        check(400, r#"{"error":"a\u001b[2Jb\u202ec"}"#, "InvalidRequest: the request is refused (HTTP 400): a [2Jb c");
        assert_eq!(Fault::said(Class::Server, &"word\n".repeat(1000)).message.len(), 600);
    }

    #[test]
    fn a_refusal_is_not_sent_again_whatever_its_header_says() {
        let headers = [("x-should-retry".to_owned(), "true".to_owned())].into();
        let response = |status| Response { status, headers, body: "{}".into() };
        assert!(!Fault::of_response(&response(401), 0).may_be_sent_again());
    }

    #[test]
    fn only_faults_are_tried_again_or_elsewhere() {
        let again = |status: u16, body: &str| {
            let response = Response { status, body: body.to_owned().into(), ..Response::default() };
            let fault = Fault::of_response(&response, 0);
            (fault.may_be_sent_again(), fault.class.leads_on())
        };
        assert_eq!(again(503, "busy"), (true, true));
        assert_eq!(again(502, "<html>"), (false, true));
        assert_eq!(again(400, r#"{"error":{"code":"moderation_blocked"}}"#), (false, false));
        assert_eq!(again(401, "{}"), (false, false));
        assert_eq!(again(402, "{}"), (false, true));
    }
}
