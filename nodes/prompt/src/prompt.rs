//! `prompt`: text as a model is to read it.

use rondel_sdk::prelude::*;

/// Tidies a prompt and joins a style to it.
///
/// Lines and runs of blanks become single blanks, so a change that only moves words on the screen gives an equal result and
/// nothing after this node runs again.
#[derive(Node)]
#[node(kind = "prompt", version = 1, lane = Cpu, category = "text")]
pub struct Prompt {
    /// What to draw.
    pub text: String,
    /// How to draw it; put after the text, with a comma between.
    pub style: Option<String>,
    /// What to keep out of the picture.
    pub negative: Option<String>,
}

/// A prompt and its opposite.
#[derive(Outputs)]
pub struct Prompts {
    /// Text and style, tidied.
    pub text: String,
    /// The negative text, tidied; empty if there is none.
    pub negative: String,
}

impl Run for Prompt {
    type Output = Prompts;

    fn run(self, _cx: &mut Cx) -> NodeResult<Prompts> {
        let parts = [tidy(&self.text), tidy(&self.style.unwrap_or_default())];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Ok(Prompts { text: parts.join(", "), negative: tidy(&self.negative.unwrap_or_default()) })
    }
}

/// The words of `text` with single blanks between them.
fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, style: &str, expected: &str) {
        let prompt = Prompt { text: text.to_owned(), style: Some(style.to_owned()), negative: None };
        assert_eq!(prompt.run(&mut Cx::for_test()).unwrap().text, expected);
    }

    #[test]
    fn blanks_and_line_ends_change_nothing() {
        check("a heron at low tide", "", "a heron at low tide");
        check("a heron\n    at  low tide \n", " ", "a heron at low tide");
    }

    #[test]
    fn a_style_follows_the_text() {
        check("a heron", "ink\non paper", "a heron, ink on paper");
        check(" ", "ink", "ink");
    }

    #[test]
    fn the_negative_text_is_tidied_too() {
        let prompt = Prompt { text: "a".to_owned(), style: None, negative: Some(" blurry \n".to_owned()) };
        assert_eq!(prompt.run(&mut Cx::for_test()).unwrap().negative, "blurry");
    }
}
