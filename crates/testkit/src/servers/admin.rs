//! What went on, for those who are no Rust test, and faults from them.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /journal` | what was asked: a list |
//! | `GET /drawn`, `GET /drawn/3` | the pictures that were made: a list; one of them, counted from 0 |
//! | `GET /bills` | what was charged |
//! | `POST /faults` | adds faults, one a line |
//! | `DELETE /faults` | takes all back |

use serde_json::{Value, json};

use super::http::{Answer, Request};
use super::world::World;
use super::{Entry, Provider};

pub(super) fn answer(world: &mut World, request: &Request) -> Answer {
    let segments = request.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (&*request.method, &*segments) {
        ("GET", ["journal"]) => Answer::json(200, &world.journal.iter().map(Entry::to_json).collect()),
        ("GET", ["drawn"]) => Answer::json(200, &drawn(world)),
        ("GET", ["drawn", idx]) => match idx.parse().ok().and_then(|idx: usize| world.drawn.get(idx)) {
            Some(drawn) => Answer::new(200, drawn.format.content_type(), drawn.bytes.clone()),
            None => Answer::new(404, "text/plain", "no such picture"),
        },
        ("GET", ["bills"]) => Answer::json(200, &bills(world)),
        ("POST", ["faults"]) => match world.faults.add(&String::from_utf8_lossy(&request.body)) {
            Ok(()) => Answer::new(200, "text/plain", ""),
            Err(error) => Answer::new(400, "text/plain", format!("{error}\n")),
        },
        ("DELETE", ["faults"]) => {
            world.recover();
            Answer::new(200, "text/plain", "")
        }
        _ => Answer::new(404, "text/plain", "there are /journal, /drawn, /bills and /faults\n"),
    }
}

fn drawn(world: &World) -> Value {
    let drawn = world.drawn.iter().map(|drawn| {
        json!({
            "provider": drawn.provider.name(),
            "job": drawn.job,
            "prompt": drawn.prompt,
            "seed": drawn.seed,
            "width": drawn.size_px.0,
            "height": drawn.size_px.1,
            "references": drawn.n_references,
            "format": drawn.format.name(),
            "bytes": drawn.bytes.len(),
        })
    });
    drawn.collect()
}

fn bills(world: &World) -> Value {
    let bills = world.bills.iter().map(|bill| {
        json!({ "provider": Provider::name(bill.provider), "job": bill.job, "micro_dollars": bill.micro_dollars })
    });
    bills.collect()
}
