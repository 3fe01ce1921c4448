//! What the kinds say of themselves. A change here that changes results for equal inputs needs a new version.

use expect_test::expect;
use node_encode::{Encode, EncodeImage};
use rondel_testkit::check_spec;

#[test]
fn encode() {
    check_spec::<Encode>(expect![[r#"
        {
          "kind": "encode",
          "version": 1,
          "doc": "Encodes a prompt with a model's text encoder.\n\nThe same words give the same conditioning, whatever is drawn from it: one encoding serves every seed and size.",
          "category": "model",
          "lane": "Gpu",
          "inputs": [
            {
              "name": "model",
              "type": "Model<F>",
              "doc": "The model that will draw.",
              "parts": [
                "text",
                "tokenizer",
                "config"
              ]
            },
            {
              "name": "prompt",
              "type": "Text",
              "doc": "What to draw, in words. Empty text is what guidance leads away from."
            }
          ],
          "outputs": [
            {
              "name": "conditioning",
              "type": "Conditioning<F>"
            }
          ]
        }"#]]);
}

#[test]
fn encode_image() {
    check_spec::<EncodeImage>(expect![[""]]);
}
