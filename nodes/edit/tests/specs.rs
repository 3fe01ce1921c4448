//! What the kinds say of themselves. A change here that changes results for equal inputs needs a new version.

use expect_test::{Expect, expect};
use node_edit::compare::Compare;
use node_edit::composite::Composite;
use node_edit::contact_sheet::ContactSheet;
use node_edit::convert::Convert;
use node_edit::invert::Invert;
use node_edit::load_image::LoadImage;
use node_edit::mask_from::MaskFrom;
use node_edit::pick::Pick;
use node_edit::resize::Resize;
use node_edit::solid::Solid;
use rondel_sdk::{Run, spec};

fn check<N: Run>(expected: Expect) {
    let mut spec = spec::<N>();
    assert_eq!(spec.mistakes(), Vec::<String>::new());
    // Words are read where they stand; here it is what graphs depend on.
    spec.doc.clear();
    spec.inputs.iter_mut().for_each(|port| port.doc.clear());
    spec.outputs.iter_mut().for_each(|port| port.doc.clear());
    expected
        .assert_eq(&serde_json::to_string(&spec).unwrap().replace("\"inputs\"", "\n\"inputs\"").replace("},", "},\n "));
}

#[test]
fn solid() {
    check::<Solid>(expect![[r##"
        {"kind":"solid","version":1,"doc":"","category":"image","lane":"Cpu",
        "inputs":[{"name":"size","type":"Size","default":[64,64],"range":[1.0,16384.0],"unit":"px"},
         {"name":"color","type":"Text","default":"#808080"}],"outputs":[{"name":"image","type":"Image"}]}"##]]);
}

#[test]
fn load_image() {
    check::<LoadImage>(expect![[r#"
        {"kind":"load_image","version":1,"doc":"","category":"image","lane":"Cpu",
        "inputs":[{"name":"path","type":"Text","file":true}],"outputs":[{"name":"image","type":"Image"}]}"#]]);
}

#[test]
fn invert() {
    check::<Invert>(expect![[r#"
        {"kind":"invert","version":1,"doc":"","category":"image","lane":"Cpu",
        "inputs":[{"name":"image","type":"Image"}],"outputs":[{"name":"image","type":"Image"}]}"#]]);
}

#[test]
fn convert() {
    check::<Convert>(expect![[r#"
        {"kind":"convert","version":1,"doc":"","category":"image","lane":"Cpu",
        "inputs":[{"name":"image","type":"Image"},
         {"name":"to","type":"Choice(Grey, Rgb, Rgba)"}],"outputs":[{"name":"image","type":"Image"}]}"#]]);
}

#[test]
fn resize() {
    check::<Resize>(expect![[r#"
        {"kind":"resize","version":1,"doc":"","category":"image","lane":"Cpu",
        "inputs":[{"name":"image","type":"Image"},
         {"name":"size","type":"Size?","range":[1.0,16384.0],"unit":"px"},
         {"name":"megapixels","type":"Float?","range":[0.0001,256.0],"soft":[0.1,4.0],"unit":"MP"},
         {"name":"multiple_of","type":"Int","default":1,"range":[1.0,1024.0],"unit":"px"},
         {"name":"filter","type":"Choice(Nearest, Bilinear, Lanczos)","default":"Lanczos"}],"outputs":[{"name":"image","type":"Image"}]}"#]]);
}

#[test]
fn contact_sheet() {
    check::<ContactSheet>(expect![[r#"
        {"kind":"contact_sheet","version":1,"doc":"","category":"image","lane":"Cpu",
        "inputs":[{"name":"images","type":"List<Image>"},
         {"name":"columns","type":"Int?","range":[1.0,10000.0]},
         {"name":"labels","type":"List<Text>?"},
         {"name":"across","type":"List<Text>?"},
         {"name":"down","type":"List<Text>?"},
         {"name":"longest_side","type":"Int","default":320,"range":[16.0,4096.0],"unit":"px"},
         {"name":"gap","type":"Int","default":8,"range":[0.0,256.0],"unit":"px"}],"outputs":[{"name":"image","type":"Image"}]}"#]]);
}

#[test]
fn compare() {
    check::<Compare>(expect![[r#"
        {"kind":"compare","version":1,"doc":"","category":"image","lane":"Cpu",
        "inputs":[{"name":"before","type":"Image"},
         {"name":"after","type":"Image"}],"outputs":[{"name":"score","type":"Float"},
         {"name":"heatmap","type":"Image"}]}"#]]);
}

#[test]
fn composite() {
    check::<Composite>(expect![[r#"
        {"kind":"composite","version":1,"doc":"","category":"image","lane":"Cpu",
        "inputs":[{"name":"base","type":"Image"},
         {"name":"over","type":"Image"},
         {"name":"mask","type":"Mask"}],"outputs":[{"name":"image","type":"Image"}]}"#]]);
}

#[test]
fn mask_from() {
    check::<MaskFrom>(expect![[r#"
        {"kind":"mask_from","version":1,"doc":"","category":"image","lane":"Cpu",
        "inputs":[{"name":"image","type":"Image"},
         {"name":"by","type":"Choice(Grey, Alpha, Threshold(level: Float))","default":"Grey"},
         {"name":"invert","type":"Bool","default":false}],"outputs":[{"name":"mask","type":"Mask"}]}"#]]);
}

#[test]
fn pick() {
    check::<Pick>(expect![[r#"
        {"kind":"pick","version":1,"doc":"","category":"image","lane":"Cpu",
        "inputs":[{"name":"images","type":"List<Image>"},
         {"name":"index","type":"Int","default":0,"range":[0.0,9999.0]}],"outputs":[{"name":"image","type":"Image"}]}"#]]);
}
