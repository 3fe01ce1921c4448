//! Reading a `providers.ron`: either all that it says, or every mistake in it with its place.
//!
//! What a file may say stands in the types of [`super`] alone. serde stops at the first mistake; so where it does, each field is
//! tried once more by itself, and the same is done inside of those that hold fields of their own.

use std::marker::PhantomData;
use std::ops::Range;

use ron::extensions::Extensions;
use ron::value::RawValue;
use serde::Deserializer as _;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};

use super::{KeyPlace, Offer, Policy, Provider, ProvidersFile, Spend, UnknownPrices};
use crate::endpoint::address;
use crate::money::Micros;

/// What the file's one value is called.
const NAME: &str = "Providers";

/// One mistake in a `providers.ron`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where to type, in bytes.
    pub span: Range<usize>,
    pub message: String,
    pub help: Option<String>,
}

/// A `providers.ron` that cannot be used, with all that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadProvidersError {
    pub path: String,
    pub text: String,
    /// At least one, in the order of the file.
    pub mistakes: Vec<Mistake>,
}

impl std::fmt::Display for ReadProvidersError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let before = &self.text[..mistake.span.start];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let gap = if index == 0 { "" } else { "; " };
            write!(f, "{gap}line {line}, column {column}: {}", mistake.message)?;
        }
        write!(f, ": {}", self.path)
    }
}

impl std::error::Error for ReadProvidersError {}

/// Reads a `providers.ron`; `path` is for messages.
pub fn read(text: &str, path: &str) -> Result<ProvidersFile, ReadProvidersError> {
    let mut mistakes = Mistakes::default();
    let file = match options().from_str::<ProvidersFile>(text) {
        Ok(file) => {
            values(&file, text, &mut mistakes);
            Some(file)
        }
        Err(error) => {
            if options().from_str::<IgnoredAny>(text).is_ok() {
                file_fields(text, &mut mistakes);
            }
            if mistakes.0.is_empty() {
                mistakes.add(at(&error, Part { text, start: 0 }), words(&error.code), None);
            }
            None
        }
    };
    let mut mistakes = mistakes.0;
    match file {
        Some(file) if mistakes.is_empty() => Ok(file),
        _ => {
            mistakes.sort_by_key(|mistake| mistake.span.start);
            Err(ReadProvidersError { path: path.to_owned(), text: text.to_owned(), mistakes })
        }
    }
}

fn options() -> ron::Options {
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME)
}

#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, span: Range<usize>, message: String, help: Option<String>) {
        let mut letters = message.chars();
        let message = letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect());
        self.0.push(Mistake { span, message, help });
    }
}

/// A value as it is written, and where.
#[derive(Clone, Copy, Debug)]
struct Part<'a> {
    text: &'a str,
    start: usize,
}

/// A field, or an entry of a map.
struct Field<'a> {
    name: String,
    /// From the name to the end of the value.
    span: Range<usize>,
    value: Part<'a>,
}

impl<'a> Part<'a> {
    fn span(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// The fields of `(…)`, or the entries of a map from texts; none if it is neither.
    fn fields(&self) -> Vec<Field<'a>> {
        let Ok(mut deserializer) = ron::Deserializer::from_str(self.text) else { return Vec::new() };
        // Only the whole has a name, and before it comments.
        let name = if self.start == 0 { NAME } else { "" };
        let found = match self.text.starts_with('{') {
            true => deserializer.deserialize_map(Pairs::<String>(PhantomData)),
            false => deserializer.deserialize_struct(name, &[], Pairs::<Name>(PhantomData)),
        };
        found.unwrap_or_default().into_iter().map(|(name, value)| self.field(name, value)).collect()
    }

    /// `value` is a slice of this part.
    fn field(&self, name: String, value: &'a str) -> Field<'a> {
        let offset = value.as_ptr() as usize - self.text.as_ptr() as usize;
        let blanks = value.len() - value.trim_start().len();
        let value = Part { text: value.trim(), start: self.start + offset + blanks };
        // Back over the colon, blanks and comments; the name stands before.
        let start = self.text[..offset].rfind(name.as_str()).map_or(value.start, |found| self.start + found);
        Field { name, span: start..value.span().end, value }
    }

    /// The part behind a path of names, as far as it can be followed.
    fn find(self, path: &[&str]) -> Part<'a> {
        let Some((name, rest)) = path.split_first() else { return self };
        match self.fields().into_iter().find(|field| field.name == *name) {
            Some(field) => field.value.find(rest),
            None => self,
        }
    }
}

/// The name of a field; ron has those as identifiers and not as texts.
struct Name(String);

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        struct Reads;
        impl Visitor<'_> for Reads {
            type Value = Name;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Name, E> {
                Ok(Name(name.to_owned()))
            }
        }
        deserializer.deserialize_identifier(Reads)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

/// Collects names with the slices of their values, also those that are there twice.
struct Pairs<K>(PhantomData<K>);

impl<'de, K: serde::Deserialize<'de> + Into<String>> Visitor<'de> for Pairs<K> {
    type Value = Vec<(String, &'de str)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("names with values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(name) = entries.next_key::<K>()? {
            found.push((name.into(), entries.next_value::<&RawValue>()?.get_ron()));
        }
        Ok(found)
    }
}

fn file_fields(text: &str, mistakes: &mut Mistakes) {
    let whole = Part { text, start: 0 };
    fields::<ProvidersFile>(whole, mistakes, &mut |field, mistakes| match field.name.as_str() {
        "providers" => entries(field.value, mistakes, provider),
        "spend" => fields::<Spend>(field.value, mistakes, &mut leaf),
        "policy" => fields::<Policy>(field.value, mistakes, &mut leaf),
        _ => false,
    });
}

fn provider(part: Part<'_>, mistakes: &mut Mistakes) -> bool {
    fields::<Provider>(part, mistakes, &mut |field, mistakes| match field.name.as_str() {
        "models" => entries(field.value, mistakes, |part, mistakes| fields::<Offer>(part, mistakes, &mut leaf)),
        _ => false,
    })
}

fn leaf(_: &Field<'_>, _: &mut Mistakes) -> bool {
    false
}

/// Reads each entry of a map; whether mistakes were found.
fn entries(map: Part<'_>, mistakes: &mut Mistakes, read: impl Fn(Part<'_>, &mut Mistakes) -> bool) -> bool {
    let mut found = false;
    for field in map.fields() {
        found |= read(field.value, mistakes);
    }
    found
}

/// Tries each field of a `T` by itself; whether mistakes were found. `inside` looks into fields that hold fields of their own, and
/// says whether it found any.
fn fields<T: DeserializeOwned>(
    part: Part<'_>,
    mistakes: &mut Mistakes,
    inside: &mut dyn FnMut(&Field<'_>, &mut Mistakes) -> bool,
) -> bool {
    let n_before = mistakes.0.len();
    for field in part.fields() {
        if inside(&field, mistakes) {
            continue;
        }
        let head = format!("({}: ", field.name);
        let alone = format!("{head}{}\n)", field.value.text);
        let Err(error) = options().from_str::<T>(&alone) else { continue };
        let at_end = error.span.end.line > alone.matches('\n').count();
        match &error.code {
            // Of the other fields, which are not there by intention.
            ron::Error::MissingStructField { .. } if at_end => {}
            ron::Error::NoSuchStructField { found, expected, .. } if *found == field.name => {
                let name = field.span.start..field.span.start + field.name.len();
                mistakes.add(
                    name,
                    format!("there is no field `{found}`"),
                    Some(format!("fields: {}", expected.join(", "))),
                );
            }
            code => {
                let found = at(&error, Part { text: &alone, start: 0 });
                let moved = |offset: usize| {
                    let within = offset.saturating_sub(head.len()).min(field.value.text.len());
                    field.value.start + within
                };
                // A value that was read to its end and is another than it should be has no place of its own.
                let span = Some(moved(found.start)..moved(found.end)).filter(|span| !span.is_empty());
                mistakes.add(span.unwrap_or_else(|| field.value.span()), words(code), None);
            }
        }
    }
    // What is missing, or there twice, is only seen in the whole, and only if each field is right.
    if mistakes.0.len() == n_before
        && let Err(error) = options().from_str::<T>(part.text)
    {
        // Of what has many lines, the first; the whole begins with what stands before it.
        let start = part.text.find(NAME).filter(|_| part.start == 0).unwrap_or(0);
        let line = part.text[start..].lines().next().map_or(0, str::len);
        mistakes.add(part.start + start..part.start + start + line, words(&error.code), None);
    }
    mistakes.0.len() > n_before
}

/// ron's own words are for programmers.
fn words(code: &ron::Error) -> String {
    match code {
        ron::Error::MissingStructField { field, .. } => format!("`{field}` is missing"),
        ron::Error::DuplicateStructField { field, .. } => format!("`{field}` is there twice"),
        ron::Error::NoSuchEnumVariant { found, expected, .. } => {
            format!("`{found}` is none of: {}", expected.join(", "))
        }
        other => other.to_string(),
    }
}

/// Where ron stopped, in bytes of the whole file.
fn at(error: &ron::error::SpannedError, part: Part<'_>) -> Range<usize> {
    let offset = |position: ron::error::Position| {
        let line_start: usize =
            part.text.split_inclusive('\n').take(position.line.saturating_sub(1)).map(str::len).sum();
        let rest = &part.text[line_start.min(part.text.len())..];
        let column = rest.char_indices().nth(position.col.saturating_sub(1)).map_or(rest.len(), |(offset, _)| offset);
        part.start + line_start + column
    };
    let end = offset(error.span.end);
    offset(error.span.start).min(end)..end
}

/// What the types cannot say.
fn values(file: &ProvidersFile, text: &str, mistakes: &mut Mistakes) {
    let whole = Part { text, start: 0 };
    let mut wrong = |path: &[&str], message: String, help: Option<String>| {
        mistakes.add(whole.find(path).span(), message, help);
    };
    if file.format != 1 {
        wrong(&["format"], format!("this program reads `format: 1`, not {}", file.format), None);
    }
    for (name, provider) in &file.providers {
        let addresses = [("base", Some(&provider.base)), ("uploads", provider.uploads.as_ref())];
        for (field, text) in addresses.into_iter().filter_map(|(field, text)| Some((field, text?))) {
            if let Err(error) = address(text) {
                wrong(&["providers", name, field], error.to_string(), None);
            }
        }
        for (model, offer) in &provider.models {
            let path = |field| ["providers", name.as_str(), "models", model.as_str(), field];
            if offer.sides.0 > offer.sides.1 || offer.sides.0 == 0 {
                wrong(
                    &path("sides"),
                    "`sides` are from the smallest to the largest".to_owned(),
                    Some("(256, 2048)".to_owned()),
                );
            }
            for (field, value) in [("multiple_of", offer.multiple_of), ("pictures", offer.pictures)] {
                if value == 0 {
                    wrong(&path(field), format!("`{field}` is at least 1"), None);
                }
            }
        }
    }
    let of_providers = file.providers.iter().map(|(name, provider)| (vec!["providers", name, "keys"], &provider.keys));
    let of_file = file.keys.iter().map(|(name, keys)| (vec!["keys", name.as_str()], keys));
    for (path, keys) in of_providers.chain(of_file) {
        if keys.iter().any(|place| matches!(place, KeyPlace::Program(words) if words.is_empty())) {
            wrong(&path, "a program has a name".to_owned(), Some("Program([\"pass\", \"show\", \"fal\"])".to_owned()));
        }
    }
    let Some(spend) = &file.spend else { return };
    let mut limit = |path: &[&str], limit: f64| {
        if Micros::of_dollars(limit).is_none() {
            wrong(path, format!("{limit} is no limit in dollars"), None);
        }
    };
    for (field, value) in [("call", spend.call), ("run", spend.run), ("day", spend.day)] {
        value.into_iter().for_each(|value| limit(&["spend", field], value));
    }
    for (name, value) in &spend.providers {
        limit(&["spend", "providers", name], *value);
    }
    let is_assumed = matches!(spend.unknown_prices, Some(UnknownPrices::Assume(_)));
    if is_assumed && spend.assumed().is_none_or(|assumed| assumed == Micros(0)) {
        let message = "a call of unknown price counts as more than nothing".to_owned();
        wrong(&["spend", "unknown_prices"], message, Some("Assume(0.10)".to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// What is said of a file: place, text at the place, message, help.
    fn check(text: &str, expected: Expect) {
        let error = read(text, "providers.ron").unwrap_err();
        let lines = error.mistakes.iter().map(|mistake| {
            let line = text[..mistake.span.start].matches('\n').count() + 1;
            let help = mistake.help.as_ref().map(|help| format!(" (help: {help})")).unwrap_or_default();
            format!("{line} `{}`: {}{help}\n", &text[mistake.span.clone()], mistake.message)
        });
        expected.assert_eq(&lines.collect::<String>());
    }

    #[test]
    fn every_mistake_of_form_is_told_with_its_place() {
        check(
            r#"// Mine (Providers: all).
Providers(
    format: 1,
    spend: (day: "one", runs: 2),
    polcy: (),
    providers: {
        "x": (
            api: Bfll, base: 5, // where it is
            models: {
                "a": (name: "a", sides: (1, 2, 3), price: Megapixels(output: 0.1), picture: 2),
                "b": (name: "b", sides: (1, 2)),
            },
        ),
        "y": (api: Fal, base: "https://example.org"),
    },
)"#,
            expect![[r#"
                4 `"one"`: expected float
                4 `runs`: there is no field `runs` (help: fields: call, run, day, providers, calls_a_day, unknown_prices)
                5 `polcy`: there is no field `polcy` (help: fields: format, providers, keys, spend, policy)
                8 `Bfll`: `Bfll` is none of: Fal, OpenAi, Lumenfall, Replicate, Bfl, Together
                8 `5`: expected string
                10 `(1, 2, 3)`: expected closing `)`
                10 `Megapixels(output: 0.1)`: `input` is missing
                10 `picture`: there is no field `picture` (help: fields: name, edit, sides, multiple_of, area, references, pictures, seed, formats, ratios, answers_inline, price, as_of, source, known)
                11 `(name: "b", sides: (1, 2))`: `price` is missing
                14 `(api: Fal, base: "https://example.org")`: `models` is missing
            "#]],
        );
    }

    #[test]
    fn every_value_that_makes_no_sense_is_told_with_its_place() {
        check(
            r#"Providers(
    format: 2,
    spend: (day: -1, providers: {"x": -0.5}, unknown_prices: Assume(0)),
    keys: {"fal": [Program([])]},
    providers: {
        "x": (
            api: Bfl, base: "http://example.org",
            models: { "a": (name: "a", sides: (9, 2), multiple_of: 0, price: Unknown) },
        ),
    },
)"#,
            expect![[r#"
                2 `2`: this program reads `format: 1`, not 2
                3 `-1`: -1 is no limit in dollars
                3 `-0.5`: -0.5 is no limit in dollars
                3 `Assume(0)`: a call of unknown price counts as more than nothing (help: Assume(0.10))
                4 `[Program([])]`: a program has a name (help: Program(["pass", "show", "fal"]))
                7 `"http://example.org"`: `http://example.org` would send the key in the clear: write https, or an address of this machine
                8 `(9, 2)`: `sides` are from the smallest to the largest (help: (256, 2048))
                8 `0`: `multiple_of` is at least 1
            "#]],
        );
    }

    #[test]
    fn a_file_that_is_no_ron_is_told_where_it_stops_to_be() {
        check(
            "Providers(\n    format: 1,\n    spend: (day: 1\n)",
            expect![[r#"
            4 `)`: expected comma
        "#]],
        );
        check(
            "",
            expect![[r#"
            1 ``: expected opening `(` for struct `Providers`
        "#]],
        );
        check(
            "Graph(format: 1)",
            expect![[r#"
            1 `Graph(format: 1)`: expected struct `Providers` but found `Graph`
        "#]],
        );
    }

    #[test]
    fn the_whole_is_one_line() {
        let error = read("Providers(format: 1,\n  spent: (day: 1))", "providers.ron").unwrap_err();
        assert_eq!(error.to_string(), "line 2, column 3: there is no field `spent`: providers.ron");
    }
}
