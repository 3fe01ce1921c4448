//! What the kinds say of themselves. A change here that changes results for equal inputs needs a new version.

use expect_test::expect;
use node_decode::Decode;
use rondel_testkit::check_spec;

#[test]
fn decode() {
    check_spec::<Decode>(expect![[r#"
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
