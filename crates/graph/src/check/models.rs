//! Models: weights by name, how to compute with them, and the LoRAs that are added.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use rondel_value::{Choices, Type, Value};

use super::declarations::literal;
use super::{Checker, Names};
use crate::diagnostic::Diagnostic;
use crate::diagnostics::*;
use crate::document;
use crate::graph::{Expr, LoraUse, ModelUse};
use crate::literal::Port;
use crate::source::Source;
use crate::syntax::{Args, Field, Form, Raw, Word};

/// What `Flux2(…)` and its like may hold.
const FIELDS: [&str; 4] = ["weights", "dtype", "quant", "loras"];

/// What a model may compute in.
const DTYPES: [&str; 3] = ["F32", "Bf16", "F16"];

/// What weights may be quantised to when they are loaded.
const QUANTS: [&str; 10] = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2K", "Q3K", "Q4K", "Q5K", "Q6K"];

const EXAMPLE: &str = "Flux2(weights: \"flux2-klein-4b\")";
const LORA_EXAMPLE: &str = "Lora(weights: \"watercolor\", scale: 0.8)";

/// What a model is declared to be: the family and whose declaration it is.
struct Owner<'a> {
    name: &'a str,
    family: Word<'a>,
}

impl Checker<'_> {
    /// Reads the models that a graph needs, with swaps applied.
    pub(super) fn models(
        &mut self,
        source: &Arc<Source>,
        fields: &[Field<'_>],
        names: &mut Names,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> IndexMap<String, ModelUse> {
        let mut models = IndexMap::with_capacity(fields.len());
        for field in fields.iter().filter(|field| names.is_first(&field.name)).collect::<Vec<_>>() {
            self.model_names.insert(field.name.text.to_owned());
            match self.model(source, field, diagnostics) {
                Some(model) => {
                    models.insert(model.name.clone(), model);
                }
                None => names.poison(field.name.text),
            }
        }
        models
    }

    fn model(
        &mut self,
        source: &Arc<Source>,
        field: &Field<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<ModelUse> {
        let name = field.name.text;
        let Form::Call(family, Args::Named(fields)) = field.value.form() else {
            diagnostics.push(malformed::malformed(source, &field.value.span(), "a model", EXAMPLE));
            return None;
        };
        let owner = Owner { name, family };
        let mut weights = None;
        let mut options = BTreeMap::new();
        let mut loras = Vec::new();
        for option in document::distinct(source, &fields, "field", diagnostics) {
            match (option.name.text, option.value.form()) {
                ("weights", Form::Text(text)) => weights = Some((text, option.value.span())),
                ("weights", _) => {
                    diagnostics.push(malformed::malformed(source, &option.value.span(), "`weights`", "\"a-name\""));
                    return None;
                }
                ("dtype", _) => {
                    options.extend(self.choice(source, &owner, option, &DTYPES, diagnostics));
                }
                ("quant", Form::Name(word)) if canonical_quant(word.text).is_some() => {
                    options.extend(canonical_quant(word.text).map(|quant| ("quant".to_owned(), quant.to_owned())));
                }
                ("quant", _) => {
                    options.extend(self.choice(source, &owner, option, &QUANTS, diagnostics));
                }
                ("loras", Form::List(items)) => {
                    loras.extend(items.iter().filter_map(|item| self.lora(source, &owner, item, diagnostics)));
                }
                // As everywhere, a value may stand for a list of one.
                ("loras", _) => loras.extend(self.lora(source, &owner, &option.value, diagnostics)),
                _ => diagnostics.push(unknown_param::of_a_declaration(source, &option.name, name, &FIELDS)),
            }
        }
        let Some((written, span)) = weights else {
            diagnostics.push(malformed::malformed(source, &field.value.span(), "a model", EXAMPLE));
            return None;
        };
        let swap = self.swaps.get(name);
        if swap.is_some() {
            self.swapped.insert(name.to_owned());
        }
        let weights = swap.cloned().unwrap_or(written);
        match self.world.model_family(&source.path, &weights) {
            None => {
                let known = self.world.model_names(&source.path);
                diagnostics.push(unknown_weights::unknown_weights(source, &span, &weights, &known, swap.is_some()));
            }
            Some(found) if found != family.text => {
                diagnostics.push(wrong_family::wrong_family(source, &family, name, &weights, &found));
            }
            Some(_) => {}
        }
        let family = family.text.to_owned();
        Some(ModelUse { name: name.to_owned(), family, weights, options, loras, span: field.span() })
    }

    /// An option that is one of some words.
    fn choice(
        &self,
        source: &Arc<Source>,
        owner: &Owner<'_>,
        option: &Field<'_>,
        words: &[&str],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<(String, String)> {
        let ty = Type::Choice(Choices::plain(words.iter().copied()));
        let port = port(owner.name, option.name.text, &ty);
        literal(self.world, source, &option.value, &port, diagnostics)?;
        match option.value.form() {
            Form::Name(word) => Some((option.name.text.to_owned(), word.text.to_owned())),
            _ => None,
        }
    }

    /// `Lora(weights: "watercolor", scale: 0.8)`, or the name alone.
    fn lora(
        &self,
        source: &Arc<Source>,
        owner: &Owner<'_>,
        item: &Raw<'_>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<LoraUse> {
        let malformed = || malformed::malformed(source, &item.span(), "a LoRA", LORA_EXAMPLE);
        let fields = match item.form() {
            Form::Text(name) => {
                self.lora_is_known(source, owner, item, &name, diagnostics);
                return Some(LoraUse { weights: name, scale: 1.0, span: item.span() });
            }
            Form::Call(word, Args::Named(fields)) if word.text == "Lora" => fields,
            _ => {
                diagnostics.push(malformed());
                return None;
            }
        };
        let mut weights = None;
        let mut scale = 1.0;
        for field in document::distinct(source, &fields, "field", diagnostics) {
            match (field.name.text, field.value.form()) {
                ("weights", Form::Text(name)) => {
                    self.lora_is_known(source, owner, &field.value, &name, diagnostics);
                    weights = Some(name);
                }
                ("weights", _) => {
                    let span = field.value.span();
                    diagnostics.push(malformed::malformed(source, &span, "`weights`", "\"watercolor\""));
                    return None;
                }
                ("scale", _) => {
                    let port = port("Lora", "scale", &Type::Float);
                    if let Some(Expr::Value(Value::Float(number))) =
                        literal(self.world, source, &field.value, &port, diagnostics)
                    {
                        scale = number;
                    }
                }
                _ => {
                    let known = ["weights", "scale"];
                    diagnostics.push(unknown_param::of_a_declaration(source, &field.name, "Lora", &known));
                }
            }
        }
        if weights.is_none() {
            diagnostics.push(malformed());
        }
        Some(LoraUse { weights: weights?, scale, span: item.span() })
    }

    fn lora_is_known(
        &self,
        source: &Arc<Source>,
        owner: &Owner<'_>,
        raw: &Raw<'_>,
        lora: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        match self.world.lora_family(&source.path, lora) {
            None => {
                let known = self.world.lora_names(&source.path);
                let is_model = self.world.model_family(&source.path, lora).is_some();
                diagnostics.push(unknown_lora::unknown_lora(source, &raw.span(), lora, &known, is_model));
            }
            Some(found) if found != owner.family.text => {
                let (name, family) = (owner.name, &owner.family);
                diagnostics.push(wrong_family::of_a_lora(source, family, &raw.span(), name, lora, &found));
            }
            Some(_) => {}
        }
    }
}

/// `Q4_K` is the same as `Q4K`: both spellings are around.
fn canonical_quant(word: &str) -> Option<&'static str> {
    let stem = word.strip_suffix("_K");
    QUANTS.into_iter().find(|quant| *quant == word || stem.is_some_and(|stem| quant.strip_suffix('K') == Some(stem)))
}

fn port<'p>(owner: &'p str, name: &'p str, ty: &'p Type) -> Port<'p> {
    Port {
        owner: Some(owner),
        name,
        ty,
        range: None,
        multiple_of: None,
        range_span: None,
        multiple_of_span: None,
        expand: false,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    /// The models section of [`GOOD`] with more fields for its model, read.
    fn model(fields: &str) -> crate::ModelUse {
        let to = format!(r#"Flux2(weights: "tiny", {fields})"#);
        let graph = edited(&[(r#"Flux2(weights: "tiny")"#, &to)]);
        graph.unwrap_or_else(|diagnostics| panic!("{}", render(&diagnostics))).models["klein"].clone()
    }

    fn check_model(fields: &str, expected: expect_test::Expect) {
        let to = format!("Flux2(weights: \"tiny\",\n{fields})");
        check_edit(&[(r#"Flux2(weights: "tiny")"#, &to)], expected);
    }

    #[test]
    fn a_model_says_how_to_compute() {
        let options = model("dtype: Bf16, quant: Q8_0").options;
        let options: Vec<(&str, &str)> =
            options.iter().map(|(option, value)| (option.as_str(), value.as_str())).collect();
        assert_eq!(options, [("dtype", "Bf16"), ("quant", "Q8_0")]);
    }

    #[test]
    fn both_spellings_of_a_quantisation_are_one() {
        for (written, read) in [("Q4K", "Q4K"), ("Q4_K", "Q4K"), ("Q6_K", "Q6K"), ("Q4_0", "Q4_0")] {
            assert_eq!(model(&format!("quant: {written}")).options["quant"], read);
        }
    }

    #[test]
    fn a_lora_is_a_name_or_a_name_with_a_scale() {
        let loras = |fields: &str| -> Vec<(String, f64)> {
            model(fields).loras.into_iter().map(|lora| (lora.weights, lora.scale)).collect()
        };
        let one = |scale| vec![("watercolor".to_owned(), scale)];
        assert_eq!(loras(r#"loras: [Lora(weights: "watercolor", scale: -0.5)]"#), one(-0.5));
        assert_eq!(loras(r#"loras: [Lora(weights: "watercolor", scale: 2)]"#), one(2.0));
        assert_eq!(loras(r#"loras: [Lora(weights: "watercolor")]"#), one(1.0));
        assert_eq!(loras(r#"loras: "watercolor""#), one(1.0));
        assert_eq!(loras(r#"loras: ["watercolor", "watercolor"]"#).len(), 2);
        assert_eq!(loras("loras: []"), []);
    }

    #[test]
    fn a_wrong_word_is_answered_with_those_that_fit() {
        check_model(
            "dtype: Int8, quant: Q4_K_M",
            expect![[r#"
                graph::unknown-choice: `klein.dtype` has no choice `Int8`
                 >test.ron:11:8 `Int8` not offered
                  help: choices: F32, Bf16, F16
                graph::unknown-choice: `klein.quant` has no choice `Q4_K_M`
                 >test.ron:11:21 `Q4_K_M` not offered
                  help: choices: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2K, Q3K, Q4K, Q5K, Q6K
            "#]],
        );
        check_model(
            "dtype: bf16, quant: \"Q8_0\"",
            expect![[r#"
            graph::lowercase-choice: `klein.dtype` is a choice, and choices start with a capital
             >test.ron:11:8 `bf16` write `Bf16`
              help: a lowercase name refers to an input, model or node; choices: F32, Bf16, F16
            graph::type-mismatch: `klein.quant` takes Choice, but this is Text
             >test.ron:11:21 `"Q8_0"` write `Q8_0`
              help: choices are written without quotes
        "#]],
        );
    }

    #[test]
    fn a_scale_is_a_number() {
        check_model(
            "loras: [Lora(weights: \"watercolor\", scale: \"strong\")]",
            expect![[r#"
            graph::type-mismatch: `Lora.scale` takes Float, but this is Text
             >test.ron:11:44 `"strong"` this is Text
        "#]],
        );
        check_model(
            "loras: [Lora(weights: \"watercolor\", scale: steps)]",
            expect![[r#"
            graph::not-a-literal: the value of `Lora.scale` is a reference, which has none before a run
             >test.ron:11:44 `steps` write a number here
              help: defaults, presets and what models are given are literals
        "#]],
        );
        check_model(
            "loras: [Lora(weights: \"watercolor\", scale: 1e999)]",
            expect![[r#"
            graph::bad-value: `Lora.scale` cannot take this: inf is not a finite number
             >test.ron:11:44 `1e999` not possible
        "#]],
        );
    }

    #[test]
    fn what_is_no_lora_is_answered_with_one() {
        check_model(
            "loras: [4, Lora(\"watercolor\"), Lora(scale: 1.0)]",
            expect![[r#"
            graph::malformed: a LoRA is not written like this
             >test.ron:11:9 `4` not understood
              help: write it like this: `Lora(weights: "watercolor", scale: 0.8)`
            graph::malformed: a LoRA is not written like this
             >test.ron:11:12 `Lora("watercolor")` not understood
              help: write it like this: `Lora(weights: "watercolor", scale: 0.8)`
            graph::malformed: a LoRA is not written like this
             >test.ron:11:32 `Lora(scale: 1.0)` not understood
              help: write it like this: `Lora(weights: "watercolor", scale: 0.8)`
        "#]],
        );
        check_model(
            "loras: [Lora(weights: \"watercolor\", strength: 1.0)]",
            expect![[r#"
            graph::unknown-param: `Lora` has no field `strength`
             >test.ron:11:37 `strength` not a field
              help: fields: weights, scale
        "#]],
        );
    }

    #[test]
    fn a_field_that_is_none_is_answered_with_those_that_are() {
        check_model(
            "lora: \"watercolor\"",
            expect![[r#"
            graph::unknown-param: `klein` has no field `lora`
             >test.ron:11:1 `lora` did you mean `loras`?
              help: fields: weights, dtype, quant, loras
        "#]],
        );
    }
}
