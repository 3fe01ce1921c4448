//! What the kinds say of themselves. A change here that changes results for equal inputs needs a new version.

use expect_test::expect;
use node_prompt::{prompt::Prompt, template::Template};
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
