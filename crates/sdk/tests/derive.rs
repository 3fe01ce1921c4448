//! What the derives make of a source: specifications, inputs and choices, there and back.

use expect_test::{Expect, expect};
use rondel_sdk::node::Inputs;
use rondel_sdk::prelude::*;
use rondel_sdk::value::Value;
use rondel_sdk::{Node, spec};
use serde_json::json;

/// Does a little of everything.
///
/// A second paragraph.
#[derive(Node)]
#[node(kind = "acme.all", version = 3, lane = Gpu, category = "test", effect, seeded, serial)]
struct All {
    /// Which weights.
    #[param(parts("text", "tokenizer"))]
    model: ModelRef,
    #[param(family = "Flux2")]
    latent: Option<Latent>,
    images: Vec<Image>,
    #[param(default = 12.0, range = 0.0..=200.0, soft = 0.0..=40.0, step = 0.5, unit = "px")]
    radius: f32,
    #[param(default = -1, range = -1..)]
    count: i64,
    #[param(default = (1024, 768), multiple_of = 16)]
    size: Size,
    #[param(default = Euler)]
    sampler: Sampler,
    #[param(default = Schedule::Shifted { mu: 2.0, steps: 4 })]
    schedule: Schedule,
    #[param(default = [1, 2])]
    numbers: Vec<u8>,
    #[param(expand, rename = "path")]
    target: String,
    #[param(default = true)]
    r#loop: bool,
}

#[derive(Choice, Clone, Debug, PartialEq)]
enum Sampler {
    Euler,
    Heun,
}

#[derive(Choice, Clone, Debug, PartialEq)]
enum Schedule {
    Auto,
    Shifted { mu: f64, steps: u32 },
}

#[derive(Outputs)]
struct Both {
    /// The first is the primary one.
    conditioning: Conditioning,
    #[param(rename = "type")]
    r#type: String,
}

impl Run for All {
    type Output = Both;

    fn run(self, _cx: &mut Cx) -> NodeResult<Both> {
        let texts = (self.latent.is_some(), self.images.len(), self.radius, self.count, self.size, self.r#loop);
        let text = format!("{texts:?} {:?} {:?} {:?}", self.sampler, self.schedule, self.numbers);
        let tensor = Tensor::from_f32("text", vec![1, 1, 1], &[0.0])?;
        Ok(Both { conditioning: Conditioning::new(&self.model.family, tensor)?, r#type: text + " " + &self.target })
    }
}

#[test]
fn a_source_says_its_specification() {
    let spec = spec::<All>();
    assert_eq!(spec.mistakes(), Vec::<String>::new());
    let head = (&spec.kind, spec.version, &spec.doc, spec.lane, &spec.category);
    let flags = (spec.effect, spec.seeded, spec.impure, spec.serial);
    let mut text = format!("{head:?}\n{flags:?}\n");
    for port in &spec.inputs {
        text += &format!("{}\n", serde_json::to_string(port).unwrap());
    }
    for port in &spec.outputs {
        text += &format!("-> {}\n", serde_json::to_string(port).unwrap());
    }
    expect![[r#"
        ("acme.all", 3, "Does a little of everything.\n\nA second paragraph.", Gpu, "test")
        (true, true, false, true)
        {"name":"model","type":"Model<F>","doc":"Which weights.","parts":["text","tokenizer"]}
        {"name":"latent","type":"Latent<Flux2>?"}
        {"name":"images","type":"List<Image>"}
        {"name":"radius","type":"Float","default":12.0,"range":[0.0,200.0],"soft":[0.0,40.0],"step":0.5,"unit":"px"}
        {"name":"count","type":"Int","default":-1,"range":[-1.0,null]}
        {"name":"size","type":"Size","default":[1024,768],"multiple_of":16}
        {"name":"sampler","type":"Choice(Euler, Heun)","default":"Euler"}
        {"name":"schedule","type":"Choice(Auto, Shifted(mu: Float, steps: Int))","default":{"Shifted":{"mu":2.0,"steps":4}}}
        {"name":"numbers","type":"List<Int>","default":[1,2]}
        {"name":"path","type":"Text","expand":true}
        {"name":"loop","type":"Bool","default":true}
        -> {"name":"conditioning","type":"Conditioning<F>","doc":"The first is the primary one."}
        -> {"name":"type","type":"Text"}
    "#]].assert_eq(&text);
}

fn model() -> Value {
    Value::Json(Json::new(&json!({"family": "Flux2", "name": "tiny", "parts": {}})))
}

/// Runs with the required inputs and these changes.
fn run(changes: &[(&str, Value)]) -> String {
    let spec = spec::<All>();
    let mut values = vec![Value::None; spec.inputs.len()];
    let given = [("model", model()), ("images", Value::list([])), ("path", Value::text("out"))];
    for (name, value) in given.iter().chain(changes) {
        values[spec.inputs.iter().position(|port| port.name == *name).unwrap()] = value.clone();
    }
    let node = All::take(&mut Inputs::new(&spec, values));
    match node.and_then(|node| node.run(&mut Cx::for_test())) {
        Ok(both) => both.r#type,
        Err(error) => error.to_string(),
    }
}

fn check(changes: &[(&str, Value)], expected: Expect) {
    expected.assert_eq(&run(changes));
}

#[test]
fn what_is_not_given_has_its_default() {
    check(
        &[],
        expect![
            "(false, 0, 12.0, -1, Size { width: 1024, height: 768 }, true) Euler Shifted { mu: 2.0, steps: 4 } [1, 2] out"
        ],
    );
}

#[test]
fn values_reach_their_fields() {
    let image = Image::from_u8(1, 1, 1, vec![0]).unwrap();
    check(
        &[
            // One picture is a list of it, a whole number a Float.
            ("images", image.into_value()),
            ("radius", Value::Int(3)),
            ("sampler", Value::text("Heun")),
            ("schedule", Schedule::Shifted { mu: 0.5, steps: 9 }.into_value()),
            ("loop", Value::Bool(false)),
        ],
        expect![
            "(false, 1, 3.0, -1, Size { width: 1024, height: 768 }, false) Heun Shifted { mu: 0.5, steps: 9 } [1, 2] out"
        ],
    );
}

#[test]
fn what_does_not_fit_names_its_port() {
    check(&[("model", Value::None)], expect!["`model`: nothing was given"]);
    check(&[("radius", Value::Float(201.0))], expect!["`radius`: 201 is out of the range 0..=200"]);
    check(&[("size", Value::Pair([100, 64]))], expect!["`size`: 100 is not a multiple of 16"]);
    check(&[("sampler", Value::text("Eule"))], expect!["`sampler`: `Eule` is none of Euler, Heun"]);
    check(&[("numbers", Value::list([Value::Int(256)]))], expect!["`numbers`: 256 is not a number from 0 to 255"]);
    let tensor = Tensor::from_f32("latent", vec![1, 1, 1, 1], &[0.0]).unwrap();
    let stranger = Latent::new("ZImage", (8, 8), tensor).unwrap();
    check(
        &[("latent", stranger.into_value())],
        expect!["`latent`: Latent of family Flux2 wanted, this one is of ZImage"],
    );
}

#[test]
fn a_choice_survives_as_a_value() {
    for schedule in [Schedule::Auto, Schedule::Shifted { mu: 1.5, steps: 2 }] {
        assert_eq!(Schedule::from_value(schedule.clone().into_value()), Ok(schedule));
    }
    assert_eq!(Sampler::from_value(Value::text("Heun")), Ok(Sampler::Heun));
}
