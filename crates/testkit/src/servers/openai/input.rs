//! What is asked of the images API, as JSON or as a form, checked by each service's own rules.

use serde_json::{Map, Value, json};

use super::error::{error, refused, wrong};
use crate::servers::fields::{self, Field, How, Rule, Wrong};
use crate::servers::http::{Answer, Request};
use crate::servers::journal::Part;
use crate::servers::picture::{self, Format, Reference};
use crate::servers::world::{Commission, World};
use crate::servers::{Provider, multipart, price};

/// What Lumenfall takes, but for what it passes on.
pub const LUMENFALL: &[Field] = &[
    Field::required("model", Rule::Text),
    Field::optional("prompt", Rule::Text),
    Field::optional("size", Rule::Text),
    Field::optional("aspect_ratio", Rule::Text),
    Field::optional("resolution", Rule::Text),
    Field::optional("response_format", Rule::Choice(&["url", "b64_json"])),
    // GIF, which the service can make, is refused here.
    Field::optional("output_format", Rule::Choice(&["png", "jpeg", "webp", "avif"])),
    Field::optional("output_compression", Rule::Whole(0, 100)),
    Field::optional("n", Rule::Whole(1, 10)),
];

const OPENAI: &[Field] = &[
    Field::required("prompt", Rule::Text),
    Field::optional("model", Rule::Text),
    Field::optional("n", Rule::Whole(1, 10)),
    Field::optional("size", Rule::Text),
    Field::optional("quality", Rule::Choice(&["auto", "low", "medium", "high", "xhigh", "max"])),
    Field::optional("background", Rule::Choice(&["auto", "transparent", "opaque"])),
    // GIF and SVG, which the service can make, are refused here.
    Field::optional("output_format", Rule::Choice(&["png", "jpeg", "webp"])),
    Field::optional("output_compression", Rule::Whole(0, 100)),
    Field::optional("moderation", Rule::Choice(&["auto", "low"])),
    Field::optional("stream", Rule::Flag),
    Field::optional("partial_images", Rule::Whole(0, 3)),
    Field::optional("user", Rule::Text),
    Field::optional("safety_identifier", Rule::Text),
    Field::optional("complexity", Rule::Choice(&["low", "medium", "high"])),
    Field::optional("input_fidelity", Rule::Choice(&["low", "high"])),
];

/// What is asked for, checked.
pub struct Asked {
    pub fields: Map<String, Value>,
    pub commission: Commission,
    pub is_edit: bool,
}

/// Reads what is asked for, or refuses it as the service would.
pub fn read(world: &mut World, request: &Request, provider: Provider, is_edit: bool) -> Result<Asked, Answer> {
    let is_strict = provider == Provider::OpenAi;
    let known = if is_strict { OPENAI } else { LUMENFALL };
    let (mut fields, files) = match (multipart::read(request), request.json()) {
        (Some(parts), _) if is_edit => form(known, parts),
        (None, Some(Value::Object(fields))) if !is_edit => (fields, Vec::new()),
        _ => {
            let wanted = if is_edit { "multipart/form-data" } else { "application/json" };
            return Err(refused(provider, None, "invalid_content_type", &format!("the body has to be {wanted}")));
        }
    };
    if is_strict && !is_edit && fields.contains_key("input_fidelity") {
        return Err(wrong(provider, &Wrong { field: "input_fidelity".to_owned(), how: How::Unknown }));
    }
    let mut found = fields::check(known, &fields);
    if !is_strict {
        // Passed on, and nobody knows to whom.
        found.retain(|wrong| wrong.how != How::Unknown);
        if !is_edit && !fields.contains_key("prompt") {
            found.push(Wrong { field: "prompt".to_owned(), how: How::Missing });
        }
    }
    if let Some(first) = found.first() {
        return Err(wrong(provider, first));
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let model = text("model").to_owned();
    if !is_known(provider, &model) {
        return Err(error(provider, 404, false));
    }
    let prompt = text("prompt").to_owned();
    if is_strict && prompt.is_empty() {
        return Err(refused(provider, Some("prompt"), "empty_string", "prompt must not be empty"));
    }
    let references = references(provider, &files)?;
    if is_edit && references.is_empty() {
        return Err(wrong(provider, &Wrong { field: "image".to_owned(), how: How::Missing }));
    }
    let size_px = size(&fields).filter(|size_px| fits(provider, *size_px));
    let size_px =
        size_px.ok_or_else(|| refused(provider, Some("size"), "invalid_value", "that size cannot be made"))?;
    let commission = Commission {
        provider,
        job: world.new_id(),
        seed: fields.get("seed").and_then(|seed| seed.as_u64().or_else(|| seed.as_str()?.parse().ok())),
        n_pictures: fields.get("n").and_then(Value::as_u64).unwrap_or(1) as u32,
        size_px,
        format: Format::named(text("output_format")).unwrap_or(Format::Png),
        quality: fields.get("output_compression").and_then(Value::as_u64).unwrap_or(100) as u8,
        references,
        prompt,
    };
    fields.entry("model").or_insert_with(|| json!("gpt-image-2"));
    Ok(Asked { fields, commission, is_edit })
}

/// The fields of a form as those of an object, and its files.
fn form(known: &[Field], parts: Vec<Part>) -> (Map<String, Value>, Vec<Part>) {
    let (files, texts): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(|part| part.file_name.is_some());
    let mut fields = Map::new();
    for part in texts {
        let text = part.text().unwrap_or_default();
        let rule = known.iter().find(|field| field.name == part.name).map(|field| field.rule);
        let parsed = match rule {
            Some(Rule::Whole(..) | Rule::Number(..) | Rule::Flag) => serde_json::from_str(text).ok(),
            _ => None,
        };
        fields.insert(part.name.clone(), parsed.unwrap_or_else(|| json!(text)));
    }
    (fields, files)
}

fn references(provider: Provider, files: &[Part]) -> Result<Vec<Reference>, Answer> {
    let (most, octets) = match provider {
        Provider::Lumenfall => (4, true),
        provider => (16, provider != Provider::OpenAi),
    };
    let mut references = Vec::new();
    for file in files {
        let name = file.name.split('[').next().unwrap_or_default();
        let content_type = file.content_type.as_deref().unwrap_or("application/octet-stream");
        if content_type == "application/octet-stream" && !octets {
            let text = format!("Invalid file 'image': unsupported mimetype ('{content_type}').");
            return Err(refused(provider, Some("image"), "unsupported_file_mimetype", &text));
        }
        match (name, picture::read(&file.bytes)) {
            ("image", Some(reference)) => references.push(reference),
            ("mask", Some(_)) => {}
            ("image" | "mask", None) => {
                return Err(refused(provider, Some("image"), "invalid_image_file", "the file is no picture"));
            }
            _ => return Err(wrong(provider, &Wrong { field: file.name.clone(), how: How::Unknown })),
        }
    }
    if references.len() > most {
        return Err(refused(provider, Some("image"), "too_many_images", &format!("at most {most} pictures")));
    }
    Ok(references)
}

/// The pixels that the fields about size come to; nothing if they cannot be read.
fn size(fields: &Map<String, Value>) -> Option<(u32, u32)> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let tier: f64 = match text("resolution") {
        None => 1.0,
        Some(tier) => tier.strip_suffix('K')?.parse().ok()?,
    };
    match text("size").or(text("aspect_ratio")) {
        None | Some("auto") => price::of_ratio(1.0, 1.0, tier),
        Some(size) => match (size.split_once('x'), size.split_once(':')) {
            (Some((width, height)), _) => Some((width.parse().ok()?, height.parse().ok()?)),
            (_, Some((width, height))) => price::of_ratio(width.parse().ok()?, height.parse().ok()?, tier),
            _ => None,
        },
    }
}

fn fits(provider: Provider, (width, height): (u32, u32)) -> bool {
    let (least, most) = (width.min(height), width.max(height));
    match provider {
        Provider::Lumenfall | Provider::Compat => least >= 64 && most <= 2048,
        _ => width % 16 == 0 && height % 16 == 0 && least >= 256 && most <= 3840 && most <= 3 * least,
    }
}

/// Whether the service has this model.
pub fn is_known(provider: Provider, model: &str) -> bool {
    match provider {
        Provider::Lumenfall => ["flux.2-dev", "fal/flux.2-dev", "replicate/flux.2-dev"].contains(&model),
        // Whatever it is called, it is a dialect.
        Provider::Compat => true,
        _ => model.is_empty() || model.starts_with("gpt-image-"),
    }
}
