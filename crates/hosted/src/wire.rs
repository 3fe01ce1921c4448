//! Requests and answers as data, so that a protocol is a function and not a conversation.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use url::Url;

/// What is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
    /// The key goes along, if the host may see it.
    pub is_keyed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    None,
    Json(Value),
    Bytes { content_type: String, bytes: Bytes },
}

impl Request {
    pub fn get(url: Url) -> Request {
        Request { method: Method::Get, url, headers: Vec::new(), body: Body::None, is_keyed: true }
    }

    pub fn post(url: Url, json: Value) -> Request {
        Request { method: Method::Post, body: Body::Json(json), ..Request::get(url) }
    }

    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Request {
        self.headers.push((name, value.into()));
        self
    }
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    pub status: u16,
    /// By lowercase names.
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
}

impl Response {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The body, whatever its type says it is.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// What the provider calls the request.
    pub fn request_id(&self) -> Option<String> {
        let names = ["x-lumenfall-request-id", "x-fal-request-id", "x-request-id", "request-id"];
        names.iter().find_map(|name| self.header(name)).map(str::to_owned)
    }

    /// How long to wait before asking again, `now` being seconds since 1970.
    pub fn retry_after(&self, now: u64) -> Option<Duration> {
        let in_ms = self.header("retry-after-ms").and_then(|text| seconds(text.trim())).map(|ms| ms / 1000.0);
        let in_text = || {
            let text = String::from_utf8_lossy(&self.body[..self.body.len().min(4096)]).into_owned();
            let (_, after) = text.split_once("resets in ~")?;
            seconds(&after[..after.find(|c: char| !c.is_ascii_digit())?])
        };
        let header = || {
            let text = self.header("retry-after")?.trim();
            seconds(text).or_else(|| Some(http_date(text)?.saturating_sub(now) as f64))
        };
        let wait = in_ms.or_else(header).or_else(|| (self.status == 429).then(in_text)?)?;
        Some(Duration::from_secs_f64(wait.min(1e7)))
    }
}

fn seconds(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
}

/// The seconds since 1970 of `Wed, 21 Oct 2026 07:28:00 GMT`, the one form of dates that servers may still write.
pub fn http_date(text: &str) -> Option<u64> {
    let mut words = text.split_once(',')?.1.split_whitespace();
    let day: u64 = words.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = words.next()?;
    let month = months.iter().position(|name| *name == month)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u64>().ok());
    let (h, m, s) = (clock.next()??, clock.next()??, clock.next()??);
    if words.next() != Some("GMT") || h > 23 || m > 59 || s > 60 {
        return None;
    }
    Some(days_since_1970(year, month, day) * 86_400 + h * 3600 + m * 60 + s)
}

/// Days of the calendar: years begin in March, so that the leap day is the last of its year.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The day of a time, `2026-11-25`, in UTC.
pub fn day_of(seconds_since_1970: u64) -> String {
    let days = seconds_since_1970 / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// A part of a form.
pub struct Part<'a> {
    pub name: &'a str,
    /// Name and type of a file.
    pub file: Option<(&'a str, &'a str)>,
    pub bytes: &'a [u8],
}

/// A form with files. The boundary is made from the content, so equal forms are equal bytes.
pub fn multipart(parts: &[Part<'_>]) -> Body {
    let all: Vec<u8> = parts.iter().flat_map(|part| [part.name.as_bytes(), part.bytes].concat()).collect();
    let boundary = format!("rondel-{}", &rondel_value::Digest::of(&all).to_string()[..32]);
    let mut bytes = Vec::with_capacity(all.len() + 256 * parts.len());
    for Part { name, file, bytes: content } in parts {
        bytes.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"").as_bytes());
        match file {
            Some((file, mime)) => {
                bytes.extend_from_slice(format!("; filename=\"{file}\"\r\nContent-Type: {mime}\r\n\r\n").as_bytes());
            }
            None => bytes.extend_from_slice(b"\r\n\r\n"),
        }
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Body::Bytes { content_type: format!("multipart/form-data; boundary={boundary}"), bytes: bytes.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(headers: &[(&str, &str)], body: &str) -> Option<f64> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let response = Response { status: 429, headers, body: body.to_owned().into() };
        // 28 seconds before the date below.
        response.retry_after(1_792_567_652).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn every_way_to_ask_for_patience_is_read() {
        let header = |text| wait(&[("retry-after", text)], "");
        assert_eq!(
            [header("2"), header("0"), header("1.5"), header("99999")],
            [Some(2.0), Some(0.0), Some(1.5), Some(99999.0)]
        );
        assert_eq!(header("Wed, 21 Oct 2026 07:28:00 GMT"), Some(28.0));
        assert_eq!([header("-1"), header("abc")], [None, None]);
        assert_eq!(wait(&[("retry-after", "2"), ("retry-after-ms", "1500")], ""), Some(1.5));
        assert_eq!(wait(&[], "Request was throttled. Your rate limit resets in ~30s."), Some(30.0));
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:01 GMT"), Some(1));
        assert_eq!(http_date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        assert_eq!(
            [day_of(0), day_of(1_709_208_000), day_of(1_764_028_800)],
            ["1970-01-01", "2024-02-29", "2025-11-25"]
        );
        assert_eq!(http_date("Thu, 29 Feb 2024 12:00:00 CET"), None);
    }

    #[test]
    fn a_form_is_parts_between_boundaries() {
        let parts = [
            Part { name: "n", file: None, bytes: b"1" },
            Part { name: "image", file: Some(("0.png", "image/png")), bytes: b"PNG" },
        ];
        let Body::Bytes { content_type, bytes } = multipart(&parts) else { panic!("bytes") };
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap().replace(boundary, "B");
        assert_eq!(
            text,
            "--B\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n1\r\n\
             --B\r\nContent-Disposition: form-data; name=\"image\"; filename=\"0.png\"\r\nContent-Type: image/png\r\n\r\nPNG\r\n\
             --B--\r\n"
        );
    }
}
