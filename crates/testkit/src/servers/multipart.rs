//! Forms with files, `multipart/form-data`, as far as clients send them: whole in memory.

use memchr::memmem::find;

use super::http::Request;
use super::journal::Part;

/// The parts of a form; nothing if it is none, or one that is not whole.
pub(super) fn read(request: &Request) -> Option<Vec<Part>> {
    let content_type = request.header("content-type")?;
    let boundary = parameter(content_type.strip_prefix("multipart/form-data")?, "boundary")?;
    let body = &*request.body;
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut rest = body.strip_prefix(delimiter.as_bytes())?;
    let delimiter = format!("\r\n--{boundary}");
    loop {
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let part_bytes = find(rest, delimiter.as_bytes())?;
        parts.push(part(&rest[..part_bytes])?);
        rest = &rest[part_bytes + delimiter.len()..];
    }
}

fn part(bytes: &[u8]) -> Option<Part> {
    let head_bytes = find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..head_bytes]).ok()?;
    let header = |name: &str| {
        let headers = head.lines().filter_map(|line| line.split_once(':'));
        headers.into_iter().find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let disposition = header("content-disposition")?.strip_prefix("form-data")?;
    Some(Part {
        name: parameter(disposition, "name")?,
        file_name: parameter(disposition, "filename"),
        content_type: header("content-type").map(str::to_owned),
        bytes: bytes[head_bytes + 4..].to_vec(),
    })
}

/// The value of a parameter behind `;`, with or without quotes.
fn parameter(text: &str, name: &str) -> Option<String> {
    let pairs = text.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.into_iter().find(|(of, _)| of.eq_ignore_ascii_case(name))?;
    Some(value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::*;

    fn form(body: &'static str) -> Request {
        Request {
            origin: Origin::Files,
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: Vec::new(),
            headers: vec![("content-type".to_owned(), "multipart/form-data; boundary=\"b\"".to_owned())],
            body: body.into(),
        }
    }

    #[test]
    fn texts_and_files_are_told_apart() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n2\r\n--b\r\n\
            content-disposition: form-data; name=\"image[]\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\
            \r\n--a\r\n--b--\r\n";
        let parts = read(&form(body)).expect("a form");
        assert_eq!((&*parts[0].name, parts[0].text()), ("n", Some("2")));
        assert_eq!((&*parts[1].name, parts[1].text()), ("image[]", None));
        assert_eq!(parts[1].bytes, b"\r\n--a");
        assert_eq!(parts[1].content_type.as_deref(), Some("image/png"));
    }

    #[test]
    fn a_form_that_is_cut_off_is_none() {
        assert!(read(&form("--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n2")).is_none());
    }
}
