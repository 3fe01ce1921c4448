//! What the kinds say of themselves. A change here that changes results for equal inputs needs a new version.

use expect_test::{Expect, expect};
use node_encode::Encode;
use rondel_sdk::{Run, spec};

fn check<N: Run>(expected: Expect) {
    let spec = spec::<N>();
    assert_eq!(spec.mistakes(), Vec::<String>::new());
    expected.assert_eq(&serde_json::to_string_pretty(&spec).unwrap());
}

#[test]
fn encode() {
    check::<Encode>(expect![[r#"
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
