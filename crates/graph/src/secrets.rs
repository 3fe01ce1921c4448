//! What looks like a key of a service, wherever it stands in a text.
//!
//! A graph is shared, and goes along in every picture that it made; so would a key in it, also one in a comment. Keys are found by
//! their forms. One that has the form of other things, a UUID or a digest, cannot be found.

use crate::source::Span;

/// Finds what looks like a key, with the name of the service that has such keys.
pub(crate) fn find(text: &str) -> Vec<(Span, &'static str)> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_-.:".contains(letter);
    let mut found = Vec::new();
    let mut end = 0;
    while let Some(start) = text[end..].find(is_part).map(|start| start + end) {
        end = text[start..].find(|letter| !is_part(letter)).map_or(text.len(), |n_bytes| start + n_bytes);
        let word = text[start..end].trim_end_matches(['.', ':', '-']);
        // `key:r8_…` is one word, and a key behind its colon.
        let mut starts = std::iter::once(0).chain(word.match_indices(':').map(|(colon, _)| colon + 1));
        let key = starts.find_map(|at| Some((start + at..start + word.len(), service(&word[at..])?)));
        found.extend(key);
    }
    found
}

/// The service that has keys of this form.
fn service(word: &str) -> Option<&'static str> {
    let is_long = |rest: &str, least: usize, others: &str| {
        rest.len() >= least && rest.chars().all(|letter| letter.is_ascii_alphanumeric() || others.contains(letter))
    };
    if word.strip_prefix("r8_").is_some_and(|rest| is_long(rest, 30, "")) {
        Some("Replicate")
    } else if word.strip_prefix("lmnfl_").is_some_and(|rest| rest.contains('.') && is_long(rest, 20, "._-")) {
        Some("Lumenfall")
    } else if word.strip_prefix("sk-").is_some_and(|rest| is_long(rest, 32, "_-")) {
        Some("OpenAI or another service")
    } else if word.strip_prefix("hf_").is_some_and(|rest| is_long(rest, 30, "")) {
        Some("Hugging Face")
    } else if word.strip_prefix("tgp_v1_").is_some_and(|rest| is_long(rest, 20, "_-")) {
        Some("Together")
    } else {
        let (id, secret) = word.split_once(':')?;
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let lengths = id.split('-').map(str::len);
        let is_uuid = lengths.eq([8, 4, 4, 4, 12]) && id.split('-').all(is_hex);
        (is_uuid && secret.len() == 32 && is_hex(secret)).then_some("fal.ai")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(text: &str) -> Vec<&'static str> {
        find(text).into_iter().map(|(_, service)| service).collect()
    }

    #[test]
    fn keys_are_found_by_their_forms() {
        let text = "\
            prompt: \"r8_0123456789abcdefghijklmnopqrstuvwxyzA\", // lmnfl_id0123.secret0123456789\n\
            Bearer sk-proj-0123456789abcdefghijklmnopqrstuvwxyz, hf_0123456789abcdefghijklmnopqrstuv.\n\
            Key 01234567-89ab-cdef-0123-456789abcdef:0123456789abcdef0123456789abcdef tgp_v1_0123456789abcdefghij";
        let expected = ["Replicate", "Lumenfall", "OpenAI or another service", "Hugging Face", "fal.ai", "Together"];
        assert_eq!(services(text), expected);
        assert_eq!(services("// key:r8_0123456789abcdefghijklmnopqrstuvwxyzA"), ["Replicate"]);
    }

    #[test]
    fn what_only_begins_like_one_is_none() {
        let digest = "0123456789abcdef".repeat(4);
        for text in [
            "r8_short",
            "sk-8er in a skate-park",
            "hf_home: hf:org/name",
            "lmnfl_id",
            "01234567-89ab-cdef-0123-456789abcdef",
            &digest,
            "a:b:c http://127.0.0.1:4300/",
        ] {
            assert_eq!(services(text), Vec::<&str>::new(), "{text}");
        }
    }
}
