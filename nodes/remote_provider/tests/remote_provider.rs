//! What the kind says of itself, asks the host for, and hands on. A change that changes results needs a new version.

use expect_test::expect;
use node_remote_provider::remote_provider::{OutputFormat, RemoteProvider, Route};
use rondel_sdk::prelude::*;
use rondel_sdk::value::HostedDetails;
use rondel_sdk::{Seed, Size, spec};

fn node() -> RemoteProvider {
    RemoteProvider {
        model: "flux.2-dev".to_owned(),
        prompt: "a fox".to_owned(),
        route: Route::Cheapest,
        size: Some(Size { width: 1024, height: 768 }),
        aspect_ratio: None,
        resolution: None,
        image: Vec::new(),
        seed: Some(Seed(7)),
        n: 1,
        response_format: None,
        output_format: None,
        output_compression: None,
        spend: None,
    }
}

#[test]
fn the_specification_is_what_graphs_depend_on() {
    let mut spec = spec::<RemoteProvider>();
    assert_eq!(spec.mistakes(), Vec::<String>::new());
    spec.doc.clear();
    spec.inputs.iter_mut().for_each(|port| port.doc.clear());
    spec.outputs.iter_mut().for_each(|port| port.doc.clear());
    expect![[r#"
        {"kind":"remote_provider","version":1,"doc":"","category":"hosted","lane":"Net",
        "inputs":[{"name":"model","type":"Text","default":"flux.2-dev","hosted":true},
         {"name":"prompt","type":"Text","expand":true},
         {"name":"route","type":"Choice(Cheapest, Fastest, Reliable, Balanced, Only(provider: Text), Order(providers: List<Text>))","default":"Balanced"},
         {"name":"size","type":"Size?","range":[64.0,4096.0],"unit":"px"},
         {"name":"aspect_ratio","type":"Text?"},
         {"name":"resolution","type":"Text?"},
         {"name":"image","type":"List<Image>","default":[]},
         {"name":"seed","type":"Seed?"},
         {"name":"n","type":"Int","default":1,"range":[1.0,10.0]},
         {"name":"response_format","type":"Choice(Url, B64Json)?","unkeyed":true},
         {"name":"output_format","type":"Choice(Png, Jpeg, Webp, Gif, Avif)?"},
         {"name":"output_compression","type":"Int?","range":[0.0,100.0]},
         {"name":"spend","type":"Json?","unkeyed":true}],"outputs":[{"name":"image","type":"Image"},
         {"name":"images","type":"List<Image>"},
         {"name":"provider","type":"Text"},
         {"name":"details","type":"Json"}],"seeded":true}"#]].assert_eq(
        &serde_json::to_string(&spec).unwrap().replace("\"inputs\"", "\n\"inputs\"").replace("},{", "},\n {"),
    );
}

#[test]
fn without_a_host_that_asks_it_cannot_run() {
    let failed = node().run(&mut Cx::for_test()).err().expect("no host");
    assert_eq!(failed.message(), "this host asks no hosted models");
}

#[test]
fn the_host_is_told_what_is_to_be_seen_and_the_pictures_are_handed_on() {
    let picture = Image::from_u8(1, 1, 1, vec![7]).unwrap();
    let details = HostedDetails { provider: "fal".to_owned(), cost_micros: Some(12_000), ..HostedDetails::default() };
    let mut cx = Cx::for_test().with_painted(vec![picture.clone(), picture.clone()], details);
    let spend = Some(Json::new(&serde_json::json!({ "limit": 0.1, "currency": "Usd" })));
    let route = Route::Order { providers: vec!["fal".to_owned()] };
    let drawn = RemoteProvider { n: 2, spend, route, image: vec![picture.clone()], ..node() }.run(&mut cx).unwrap();
    assert_eq!((drawn.image, drawn.images.len(), &*drawn.provider), (picture, 2, "fal"));
    expect![[r#"paint {"model":"flux.2-dev","prompt":"a fox","size":[1024,768],"seed":7,"n":2,"route":{"Order":["fal"]},"limit_micros":100000}, 1 references"#]].assert_eq(&cx.said().join("\n"));
}

#[test]
fn what_contradicts_itself_is_refused_where_it_stands() {
    let refused = |node: RemoteProvider| {
        let error = node.run(&mut Cx::for_test()).err().expect("refused");
        format!("{}: {}", error.port().unwrap_or_default(), error.message())
    };
    let text = |text: &str| Some(text.to_owned());
    let spend = |json| Some(Json::new(&json));
    let all = [
        refused(RemoteProvider { aspect_ratio: text("16:9"), ..node() }),
        refused(RemoteProvider { resolution: text("1K"), ..node() }),
        refused(RemoteProvider { output_format: Some(OutputFormat::Gif), ..node() }),
        refused(RemoteProvider { output_compression: Some(80), ..node() }),
        refused(RemoteProvider { spend: spend(serde_json::json!({ "limit": 1, "currency": "Eur" })), ..node() }),
        refused(RemoteProvider { spend: spend(serde_json::json!("much")), ..node() }),
    ];
    expect![[r#"
        aspect_ratio: `size` says it already: leave one of the two out
        resolution: `size` says it already: leave one of the two out
        output_format: Gif cannot be read here: take Png, Jpeg or Webp
        output_compression: it is for formats that lose something: set `output_format: Jpeg` or `Webp`
        spend: prices are in dollars: write `currency: Usd`
        spend: write `(limit: 0.10, currency: Usd)`, or a number of dollars"#]]
    .assert_eq(&all.join("\n"));
}
