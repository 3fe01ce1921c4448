//! What an error says, in any of the shapes that providers and what stands before them give it, as a few plain words.

use serde_json::Value;

/// A text as a terminal may show it: one line, and nothing that steers what it shows.
pub fn words(text: &str) -> String {
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let words = text.split(|c: char| c.is_whitespace() || steers(c)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// A few lines are read; more is a page, or somebody who fills a log.
pub(super) fn few_words(text: &str) -> String {
    words(text).chars().take(600).collect()
}

/// What an error body says.
#[derive(Default)]
pub(super) struct Said {
    pub message: String,
    pub code: Option<String>,
    pub field: Option<String>,
}

impl Said {
    /// Any of the shapes that are met; none if it is none.
    pub fn read(json: &Value) -> Option<Said> {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        if let Some(error) = json.get("error").filter(|error| !error.is_null()) {
            if let Some(message) = text(error) {
                let code = ["error_type", "code", "type"].iter().find_map(|name| json.get(name).and_then(text));
                return Some(Said { message, code, field: None });
            }
            let code = ["code", "type"].iter().find_map(|name| error.get(name).and_then(text));
            let message = ["message", "detail"].iter().find_map(|name| error.get(name).and_then(text));
            let field = error.get("param").and_then(text);
            return Some(Said { message: message.unwrap_or_else(|| error.to_string()), code, field });
        }
        match json.get("detail") {
            Some(Value::Array(items)) => {
                let message = |item: &Value| item.get("msg").and_then(text).or_else(|| text(item));
                let messages: Vec<String> = items.iter().filter_map(message).collect();
                let first = items.first();
                let place = first.and_then(|item| item.get("loc")).and_then(Value::as_array);
                let names = place.into_iter().flatten().filter_map(text).filter(|name| name != "body");
                let field = names.collect::<Vec<_>>().join(".");
                let code = first.and_then(|item| item.get("type")).and_then(text);
                return Some(Said { message: messages.join("; "), code, field: (!field.is_empty()).then_some(field) });
            }
            Some(detail) if !detail.is_null() => {
                let code = ["error_type", "title"].iter().find_map(|name| json.get(name).and_then(text));
                let message = text(detail).unwrap_or_else(|| detail.to_string());
                return Some(Said { message, code, field: None });
            }
            _ => {}
        }
        let message = json.get("message").and_then(text).or_else(|| json.get("title").and_then(text))?;
        Some(Said { message, code: json.get("code").and_then(text), field: None })
    }
}

/// A few words of a body that is no JSON, without its tags.
pub(super) fn plain(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(2000)]).into_owned();
    let mut is_in_tag = false;
    let without_tags = text.chars().map(|c| match c {
        '<' => {
            is_in_tag = true;
            ' '
        }
        '>' => {
            is_in_tag = false;
            ' '
        }
        c if is_in_tag || c.is_control() => ' ',
        c => c,
    });
    let words: Vec<String> = without_tags.collect::<String>().split_whitespace().map(str::to_owned).collect();
    words.join(" ").chars().take(200).collect()
}
