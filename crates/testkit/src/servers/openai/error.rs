//! Errors in the forms of the images API: OpenAI's has four fields, Lumenfall's three.

use serde_json::json;

use crate::servers::Provider;
use crate::servers::fields::{How, Wrong};
use crate::servers::http::Answer;

/// Refuses a field.
pub fn wrong(provider: Provider, wrong: &Wrong) -> Answer {
    let code = match wrong.how {
        How::Missing => "missing_required_parameter",
        How::Unknown => "unknown_parameter",
        How::NotA(_) => "invalid_type",
        How::Below(_) | How::Above(_) | How::NotOneOf(_) => "invalid_value",
    };
    refused(provider, Some(&wrong.field), code, &format!("{}: '{}'.", wrong.how.words(), wrong.field))
}

/// Refuses a request.
pub fn refused(provider: Provider, field: Option<&str>, code: &str, message: &str) -> Answer {
    let code = if provider == Provider::Lumenfall { "INVALID_REQUEST" } else { code };
    envelope(provider, 400, "invalid_request_error", code, message, field)
}

/// Refuses content.
pub fn refused_content(provider: Provider) -> Answer {
    let message = "Your request was rejected by the safety system.";
    match provider {
        Provider::Lumenfall => {
            envelope(provider, 400, "invalid_request_error", "CONTENT_POLICY_VIOLATION", message, None)
        }
        _ => envelope(provider, 400, "image_generation_user_error", "moderation_blocked", message, None),
    }
}

/// An error in the service's form.
pub fn error(provider: Provider, status: u16, is_quota: bool) -> Answer {
    let (kind, code, message) = match (provider, status) {
        (Provider::Lumenfall, 401 | 403) => ("authentication_error", "AUTHENTICATION_FAILED", "the key is not valid"),
        (Provider::Lumenfall, 402) => ("billing_error", "INSUFFICIENT_BALANCE", "the balance does not suffice"),
        (Provider::Lumenfall, 404) => {
            ("invalid_request_error", "MODEL_NOT_FOUND", "no such model. Did you mean 'flux.2-dev'?")
        }
        (Provider::Lumenfall, 429) => ("rate_limit_error", "RATE_LIMITED", "too many requests"),
        (Provider::Lumenfall, 400..500) => ("invalid_request_error", "INVALID_REQUEST", "the request is not valid"),
        (Provider::Lumenfall, 502) => ("server_error", "ALL_PROVIDERS_EXHAUSTED", "all providers failed"),
        (Provider::Lumenfall, 503 | 504) => ("server_error", "UPSTREAM_ERROR", "the provider failed"),
        (Provider::Lumenfall, _) => ("server_error", "INTERNAL_ERROR", "an error of the gateway"),
        (_, 401) => ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
        (_, 403) => ("invalid_request_error", "unsupported_country_region_territory", "Not available here."),
        (_, 404) => ("invalid_request_error", "model_not_found", "The model does not exist."),
        (_, 402) => ("insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
        (_, 429) if is_quota => ("insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
        (_, 429) => ("requests", "rate_limit_exceeded", "Rate limit reached."),
        (_, 400..500) => ("invalid_request_error", "invalid_value", "The request is not valid."),
        _ => ("server_error", "server_error", "The server had an error while processing your request."),
    };
    envelope(provider, status, kind, code, message, None)
}

fn envelope(provider: Provider, status: u16, kind: &str, code: &str, message: &str, field: Option<&str>) -> Answer {
    let mut error = json!({ "message": message, "type": kind, "code": code });
    if provider != Provider::Lumenfall {
        error["param"] = json!(field);
    }
    Answer::json(status, &json!({ "error": error }))
}
