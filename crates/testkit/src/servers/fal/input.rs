//! What fal's apps take, and what they say of what is wrong with it.

use serde_json::{Map, Value, json};

use crate::servers::Provider;
use crate::servers::fields::{Field, How, Rule, Wrong, check};
use crate::servers::files::BadReference;
use crate::servers::picture::Format;
use crate::servers::world::{Commission, World};

const TEXT_TO_IMAGE: &[Field] = &[
    Field::required("prompt", Rule::Text),
    Field::optional("image_size", Rule::Any),
    Field::optional("num_images", Rule::Whole(1, 4)),
    Field::optional("num_inference_steps", Rule::Whole(4, 50)),
    Field::optional("guidance_scale", Rule::Number(0.0, 20.0)),
    Field::optional("seed", Rule::Whole(0, i64::MAX)),
    Field::optional("acceleration", Rule::Choice(&["none", "regular", "high"])),
    Field::optional("enable_prompt_expansion", Rule::Flag),
    Field::optional("enable_safety_checker", Rule::Flag),
    Field::optional("output_format", Rule::Choice(&["jpeg", "png", "webp"])),
    Field::optional("sync_mode", Rule::Flag),
];

const IMAGES: Field = Field::required("image_urls", Rule::Texts);

const NAMED_SIZES: [(&str, (u32, u32)); 6] = [
    ("square_hd", (1024, 1024)),
    ("square", (512, 512)),
    ("portrait_4_3", (768, 1024)),
    ("portrait_16_9", (576, 1024)),
    ("landscape_4_3", (1024, 768)),
    ("landscape_16_9", (1024, 576)),
];

/// Reads an input, or says all that is wrong with it.
pub fn commission(world: &World, id: &str, model: &str, input: &Value) -> Result<Commission, Vec<Value>> {
    let Some(fields) = input.as_object() else {
        return Err(vec![detail("body", "Input should be a valid dictionary", "model_attributes_type")]);
    };
    let is_edit = model.ends_with("/edit");
    let mut wrong: Vec<Wrong> = check(TEXT_TO_IMAGE, fields);
    if is_edit {
        // The field that the other app does not know.
        wrong.retain(|wrong| wrong.field != IMAGES.name);
        let images: Map<String, Value> =
            fields.get(IMAGES.name).map(|images| (IMAGES.name.to_owned(), images.clone())).into_iter().collect();
        wrong.extend(check(&[IMAGES], &images));
    }
    let mut details: Vec<Value> =
        wrong.iter().map(|wrong| detail(&wrong.field, &wrong.how.words(), kind(wrong.how))).collect();
    let mut references = Vec::new();
    let urls = fields.get(IMAGES.name).and_then(Value::as_array).filter(|_| is_edit).into_iter().flatten();
    // More than four are dropped without a word.
    for url in urls.filter_map(Value::as_str).take(4) {
        match world.reference(url) {
            Ok(reference) => references.push(reference),
            Err(BadReference::Missing) => {
                details.push(detail(IMAGES.name, "Failed to download the file", "file_download_error"));
            }
            Err(BadReference::NoPicture) => {
                details.push(detail(IMAGES.name, "Failed to load the image", "image_load_error"));
            }
        }
    }
    if is_edit && references.is_empty() && details.is_empty() {
        details.push(detail(IMAGES.name, "List should have at least 1 item", "too_short"));
    }
    let default_size = references.first().map_or((1024, 768), |reference| {
        let (width, height) = reference.size_px;
        (width.clamp(512, 2048) / 16 * 16, height.clamp(512, 2048) / 16 * 16)
    });
    let size_px = match size(fields.get("image_size"), default_size) {
        Ok(size_px) => size_px,
        Err(wrong) => {
            details.push(wrong);
            default_size
        }
    };
    if !details.is_empty() {
        return Err(details);
    }
    let format = fields.get("output_format").and_then(Value::as_str).and_then(Format::named);
    Ok(Commission {
        provider: Provider::Fal,
        job: id.to_owned(),
        prompt: input["prompt"].as_str().unwrap_or_default().to_owned(),
        seed: input["seed"].as_u64(),
        n_pictures: input["num_images"].as_u64().unwrap_or(1) as u32,
        size_px,
        format: format.unwrap_or(Format::Png),
        quality: 90,
        references,
    })
}

fn size(given: Option<&Value>, default: (u32, u32)) -> Result<(u32, u32), Value> {
    match given {
        None | Some(Value::Null) => Ok(default),
        Some(Value::String(name)) => {
            let named = NAMED_SIZES.iter().find(|(of, _)| of == name).map(|(_, size_px)| *size_px);
            named.ok_or_else(|| detail("image_size", "Input should be a named size", "literal_error"))
        }
        Some(Value::Object(sides)) => {
            let side = |name: &str| match sides.get(name) {
                None => Ok(512),
                Some(side) => match side.as_u64() {
                    None => Err(detail("image_size", "Input should be a valid integer", "int_type")),
                    Some(..512) => Err(detail("image_size", &How::Below(512.0).words(), "greater_than_equal")),
                    Some(2049..) => Err(detail("image_size", &How::Above(2048.0).words(), "less_than_equal")),
                    Some(side) => Ok(side as u32),
                },
            };
            // What is no multiple of 16 is rounded without a word.
            Ok((side("width")?.next_multiple_of(16), side("height")?.next_multiple_of(16)))
        }
        Some(_) => Err(detail("image_size", "Input should be a name or an object", "image_size")),
    }
}

/// One thing that is wrong, in fal's form.
pub fn detail(field: &str, msg: &str, kind: &str) -> Value {
    let place = if field == "body" { json!(["body"]) } else { json!(["body", field]) };
    json!({ "loc": place, "msg": msg, "type": kind, "url": format!("https://docs.fal.ai/errors#{kind}") })
}

fn kind(how: How) -> &'static str {
    match how {
        How::Missing => "missing",
        How::Unknown => "extra_forbidden",
        How::NotA("string") => "string_type",
        How::NotA("integer") => "int_type",
        How::NotA(_) => "value_error",
        How::Below(_) => "greater_than_equal",
        How::Above(_) => "less_than_equal",
        How::NotOneOf(_) => "literal_error",
    }
}
