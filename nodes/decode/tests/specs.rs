//! What the kinds say of themselves. A change here that changes results for equal inputs needs a new version.

use expect_test::{Expect, expect};
use node_decode::Decode;
use rondel_sdk::{Run, spec};

fn check<N: Run>(expected: Expect) {
    let spec = spec::<N>();
    assert_eq!(spec.mistakes(), Vec::<String>::new());
    expected.assert_eq(&serde_json::to_string_pretty(&spec).unwrap());
}

#[test]
fn decode() {
    check::<Decode>(expect![[r#"
        {
          "kind": "decode",
          "version": 1,
          "doc": "Decodes a latent picture into pixels.",
          "category": "model",
          "lane": "Gpu",
          "inputs": [
            {
              "name": "model",
              "type": "Model<F>",
              "doc": "The model that drew it.",
              "parts": [
                "vae"
              ]
            },
            {
              "name": "latent",
              "type": "Latent<F>",
              "doc": "What `sample` drew."
            }
          ],
          "outputs": [
            {
              "name": "image",
              "type": "Image"
            }
          ]
        }"#]]);
}
