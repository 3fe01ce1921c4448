//! What the kinds say of themselves. A change here that changes results for equal inputs needs a new version.

use expect_test::expect;
use node_prompt::{enhance::Enhance, prompt::Prompt, template::Template};
use rondel_testkit::check_spec;

#[test]
fn prompt() {
    check_spec::<Prompt>(expect![[r#"
        {
          "kind": "prompt",
          "version": 1,
          "doc": "Tidies a prompt and joins a style to it.\n\nLines and runs of blanks become single blanks, so a change that only moves words on the screen gives an equal result and\nnothing after this node runs again.",
          "category": "text",
          "lane": "Cpu",
          "inputs": [
            {
              "name": "text",
              "type": "Text",
              "doc": "What to draw."
            },
            {
              "name": "style",
              "type": "Text?",
              "doc": "How to draw it; put after the text, with a comma between."
            },
            {
              "name": "negative",
              "type": "Text?",
              "doc": "What to keep out of the picture."
            }
          ],
          "outputs": [
            {
              "name": "text",
              "type": "Text",
              "doc": "Text and style, tidied."
            },
            {
              "name": "negative",
              "type": "Text",
              "doc": "The negative text, tidied; empty if there is none."
            }
          ]
        }"#]]);
}

#[test]
fn template() {
    check_spec::<Template>(expect![[r#"
        {
          "kind": "template",
          "version": 1,
          "doc": "Fills `{name}` in a text with values.\n\n`{{` and `}}` stand for the braces themselves.",
          "category": "text",
          "lane": "Cpu",
          "inputs": [
            {
              "name": "template",
              "type": "Text",
              "doc": "Text with `{name}` where a value belongs."
            },
            {
              "name": "vars",
              "type": "Json",
              "doc": "The values by name: texts, numbers, truth values."
            }
          ],
          "outputs": [
            {
              "name": "text",
              "type": "Text"
            }
          ]
        }"#]]);
}

#[test]
fn enhance() {
    check_spec::<Enhance>(expect![[r#"
        {
          "kind": "enhance",
          "version": 1,
          "doc": "Lets a model's text model rewrite a prompt in more detail.\n\nEqual inputs give equal words. It takes the text model as a whole, with its head: files that were cut down for encoding\ncannot speak.",
          "category": "text",
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
              "doc": "What to draw, in few words."
            },
            {
              "name": "temperature",
              "type": "Float",
              "doc": "How freely to choose words; 0 always takes the likeliest.",
              "default": 0.15,
              "range": [
                0.0,
                2.0
              ]
            },
            {
              "name": "seed",
              "type": "Seed",
              "doc": "Other seeds choose other words.",
              "default": 0
            },
            {
              "name": "max_tokens",
              "type": "Int",
              "doc": "How long the text may become, in tokens.",
              "default": 512,
              "range": [
                1.0,
                2048.0
              ]
            }
          ],
          "outputs": [
            {
              "name": "text",
              "type": "Text"
            }
          ]
        }"#]]);
}
