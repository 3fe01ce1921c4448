//! `template`: the one place where braces in a text mean something.

use rondel_sdk::prelude::*;
use serde_json::Value;

/// Fills `{name}` in a text with values.
///
/// `{{` and `}}` stand for the braces themselves.
#[derive(Node)]
#[node(kind = "template", version = 1, lane = Cpu, category = "text")]
pub struct Template {
    /// Text with `{name}` where a value belongs.
    pub template: String,
    /// The values by name: texts, numbers, truth values.
    pub vars: Value,
}

impl Run for Template {
    type Output = String;

    fn run(self, _cx: &mut Cx) -> NodeResult<String> {
        if !self.vars.is_object() {
            return Err(NodeError::input("vars", "names with values are wanted, as in `{\"animal\": \"heron\"}`"));
        }
        let mut filled = String::new();
        let mut rest = self.template.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            filled.push_str(before);
            rest = if let Some(rest) = brace.strip_prefix("{{") {
                filled.push('{');
                rest
            } else if let Some(rest) = brace.strip_prefix("}}") {
                filled.push('}');
                rest
            } else {
                let (name, rest) = placeholder(brace)?;
                filled.push_str(&self.text_of(name)?);
                rest
            };
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

impl Template {
    fn text_of(&self, name: &str) -> NodeResult<String> {
        match self.vars.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
            Some(_) => Err(NodeError::input("vars", format!("`{name}` is neither text, number nor truth value"))),
            None => Err(NodeError::input("template", format!("`vars` has no `{name}`"))),
        }
    }
}

/// Splits `{name}` off the front of `text`.
fn placeholder(text: &str) -> NodeResult<(&str, &str)> {
    let inner = text.strip_prefix('{').and_then(|text| text.split_once('}'));
    let named =
        inner.map(|(name, rest)| (name.trim(), rest)).filter(|(name, _)| !name.is_empty() && !name.contains('{'));
    named.ok_or_else(|| NodeError::input("template", "a lone brace: write `{{` or `}}` for the sign itself"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(template: &str, expected: Result<&str, &str>) {
        let vars = json!({"animal": "heron", "n": 3, "list": []});
        let filled = Template { template: template.to_owned(), vars }.run(&mut Cx::for_test());
        let filled = filled.map_err(|error| error.to_string());
        assert_eq!(filled, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn names_in_braces_are_replaced() {
        check("{n} times a {animal}.", Ok("3 times a heron."));
        check("{ animal }", Ok("heron"));
    }

    #[test]
    fn doubled_braces_are_braces() {
        check("{{animal}} {{{animal}}}", Ok("{animal} {heron}"));
    }

    #[test]
    fn what_cannot_be_filled_is_named() {
        check("{bird}", Err("`template`: `vars` has no `bird`"));
        check("{list}", Err("`vars`: `list` is neither text, number nor truth value"));
        check("a { b", Err("`template`: a lone brace: write `{{` or `}}` for the sign itself"));
        check("a } b", Err("`template`: a lone brace: write `{{` or `}}` for the sign itself"));
    }
}
