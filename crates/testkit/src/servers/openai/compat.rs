//! Servers that speak the images API more or less: the name of the model says in which dialect.
//!
//! | model | what is odd |
//! | --- | --- |
//! | `data-uri` | the address is a data URI |
//! | `relative` | the address is a path of this server |
//! | `both` | address and base64 side by side, one of them `null` |
//! | `list` | the list itself, without `data` around it |
//! | `text` | JSON as `text/plain` |
//! | `no-created`, `float-created` | `created` is missing, or no integer |
//! | `one` | one picture, whatever `n` says |
//! | `error-text`, `error-list`, `detail`, `message`, `error-in-200` | errors in other forms |
//! | `no-edits` | there are no edits |
//!
//! Any other name is the plain thing. Whoever has no key sends none; a wrong one is refused.

use serde_json::{Value, json};

use crate::servers::Provider;
use crate::servers::fault::Fault;
use crate::servers::http::{Answer, Request};
use crate::servers::jobs::End;
use crate::servers::world::World;

use super::CREATED;
use super::error::{error, refused_content};
use super::input::{Asked, read};

pub fn answer(world: &mut World, request: &Request, fault: Option<&Fault>) -> Answer {
    let provider = Provider::Compat;
    if request.header("authorization").is_some_and(|text| text != format!("Bearer {}", provider.key())) {
        return error(provider, 401, false);
    }
    if let Some(file) = request.path.strip_prefix("/pictures/") {
        return crate::servers::files::answer(world, &Request { path: format!("/f/{file}"), ..request.clone() });
    }
    let is_edit = match (&*request.method, &*request.path) {
        ("POST", "/v1/images/generations") => false,
        ("POST", "/v1/images/edits") => true,
        _ => return error(provider, 404, false),
    };
    let asked = match read(world, request, provider, is_edit) {
        Ok(asked) => asked,
        Err(refusal) => return refusal,
    };
    let model = asked.fields.get("model").and_then(Value::as_str).unwrap_or_default();
    if is_edit && model == "no-edits" {
        return Answer::new(405, "text/plain", "Method Not Allowed");
    }
    let mistake = match model {
        "error-text" => Some((500, json!({ "error": "out of memory" }))),
        "error-list" => Some((400, json!({ "error": [{ "msg": "the model is busy" }] }))),
        "detail" => Some((422, json!({ "detail": "the size cannot be made" }))),
        "message" => Some((500, json!({ "message": "out of memory" }))),
        "error-in-200" => Some((200, json!({ "error": { "message": "out of memory", "code": "INTERNAL_ERROR" } }))),
        _ => None,
    };
    if let Some((status, body)) = mistake {
        return Answer::json(status, &body);
    }
    match End::by(fault) {
        Some(End::Refused { .. }) => refused_content(provider),
        Some(_) => error(provider, 500, false),
        None => images(world, model, &asked, fault),
    }
}

fn images(world: &mut World, model: &str, asked: &Asked, fault: Option<&Fault>) -> Answer {
    let mut commission = asked.commission.clone();
    if model == "one" {
        commission.n_pictures = 1;
    }
    let is_inline = asked.fields.get("response_format") == Some(&json!("b64_json"));
    let mut data = Vec::new();
    for (i, file) in world.draw(&commission, fault).into_iter().enumerate() {
        let base64 = base64::encode(&file);
        data.push(match model {
            "data-uri" => json!({ "url": format!("data:{};base64,{base64}", commission.format.content_type()) }),
            "both" if is_inline => json!({ "url": null, "b64_json": base64 }),
            _ if is_inline => json!({ "b64_json": base64 }),
            "both" => json!({ "url": world.keep_picture(&commission, &i.to_string(), file), "b64_json": null }),
            "relative" => {
                let url = world.keep_picture(&commission, &i.to_string(), file);
                let (_, path) = url.split_once("/f/").expect("an address of a file");
                json!({ "url": format!("/pictures/{path}") })
            }
            _ => json!({ "url": world.keep_picture(&commission, &i.to_string(), file) }),
        });
    }
    world.charge(Provider::Compat, &commission.job, None);
    match model {
        "list" => Answer::json(200, &json!(data)),
        "no-created" => Answer::json(200, &json!({ "data": data })),
        "float-created" => Answer::json(200, &json!({ "created": CREATED as f64 + 0.25, "data": data })),
        "text" => Answer::new(200, "text/plain", json!({ "created": CREATED, "data": data }).to_string()),
        _ => Answer::json(200, &json!({ "created": CREATED, "data": data })),
    }
}
