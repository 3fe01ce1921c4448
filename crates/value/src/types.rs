//! What may stand at a port.
//!
//! A type is written the way a person would say it, and that text is also its form in JSON and in specifications:
//!
//! ```
//! use rondel_value::Type;
//!
//! let ty: Type = "List<Latent<F>>?".parse().unwrap();
//! assert_eq!(ty.to_string(), "List<Latent<F>>?");
//! ```
//!
//! A family in angle brackets is a variable if it is one capital letter (`F`), else a name (`Flux2`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What may stand at a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Bool,
    Int,
    Float,
    Text,
    Seed,
    Size,
    Duration,
    Json,
    Choice(Choices),
    Image,
    Mask,
    Tensor,
    Latent(Family),
    Conditioning(Family),
    Model(Family),
    Saved,
    List(Box<Type>),
    Optional(Box<Type>),
}

impl Type {
    pub fn list(of: Type) -> Type {
        Type::List(Box::new(of))
    }

    pub fn optional(of: Type) -> Type {
        Type::Optional(Box::new(of))
    }

    /// The type without its `?`.
    pub fn required(&self) -> &Type {
        match self {
            Type::Optional(inner) => inner.required(),
            other => other,
        }
    }

    pub fn is_optional(&self) -> bool {
        matches!(self, Type::Optional(_))
    }

    /// The family that the type names, also inside a list or an optional.
    pub fn family(&self) -> Option<&Family> {
        match self {
            Type::Latent(family) | Type::Conditioning(family) | Type::Model(family) => Some(family),
            Type::List(inner) | Type::Optional(inner) => inner.family(),
            _ => None,
        }
    }

    /// The same type with another family.
    pub fn with_family(&self, family: &Family) -> Type {
        match self {
            Type::Latent(_) => Type::Latent(family.clone()),
            Type::Conditioning(_) => Type::Conditioning(family.clone()),
            Type::Model(_) => Type::Model(family.clone()),
            Type::List(inner) => Type::list(inner.with_family(family)),
            Type::Optional(inner) => Type::optional(inner.with_family(family)),
            other => other.clone(),
        }
    }

    /// The name for people: without variables, without the members of a choice.
    pub fn plain(&self) -> String {
        match self {
            Type::Choice(_) => "Choice".to_owned(),
            Type::Latent(Family::Variable(_)) => "Latent".to_owned(),
            Type::Conditioning(Family::Variable(_)) => "Conditioning".to_owned(),
            Type::Model(Family::Variable(_)) => "Model".to_owned(),
            Type::List(inner) => format!("List<{}>", inner.plain()),
            Type::Optional(inner) => inner.plain(),
            other => other.to_string(),
        }
    }
}

/// A model family, or a variable that stands for any one family within a node's signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    Variable(char),
    Named(String),
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Family::Variable(letter) => write!(f, "{letter}"),
            Family::Named(name) => f.write_str(name),
        }
    }
}

/// The members of a choice, in the order in which they are offered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Choices(pub Vec<Variant>);

impl Choices {
    /// Members without fields.
    pub fn plain<'a>(names: impl IntoIterator<Item = &'a str>) -> Choices {
        Choices(names.into_iter().map(|name| Variant { name: name.to_owned(), fields: Vec::new() }).collect())
    }

    pub fn get(&self, name: &str) -> Option<&Variant> {
        self.0.iter().find(|variant| variant.name == name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|variant| variant.name.as_str())
    }
}

/// One member of a choice: `Euler`, or `Shifted(mu: Float)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    pub name: String,
    /// Name and type; all are required.
    pub fields: Vec<(String, Type)>,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Bool => f.write_str("Bool"),
            Type::Int => f.write_str("Int"),
            Type::Float => f.write_str("Float"),
            Type::Text => f.write_str("Text"),
            Type::Seed => f.write_str("Seed"),
            Type::Size => f.write_str("Size"),
            Type::Duration => f.write_str("Duration"),
            Type::Json => f.write_str("Json"),
            Type::Choice(choices) => write!(f, "Choice({choices})"),
            Type::Image => f.write_str("Image"),
            Type::Mask => f.write_str("Mask"),
            Type::Tensor => f.write_str("Tensor"),
            Type::Latent(family) => write!(f, "Latent<{family}>"),
            Type::Conditioning(family) => write!(f, "Conditioning<{family}>"),
            Type::Model(family) => write!(f, "Model<{family}>"),
            Type::Saved => f.write_str("Saved"),
            Type::List(inner) => write!(f, "List<{inner}>"),
            Type::Optional(inner) => write!(f, "{inner}?"),
        }
    }
}

impl fmt::Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, variant) in self.0.iter().enumerate() {
            let gap = if i > 0 { ", " } else { "" };
            write!(f, "{gap}{variant}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.fields.is_empty() {
            return Ok(());
        }
        let fields: Vec<String> = self.fields.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
        write!(f, "({})", fields.join(", "))
    }
}

/// A text that is not a type.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a type: {expected} expected at {}", if rest.is_empty() { "its end".to_owned() } else { format!("`{rest}`") })]
pub struct ParseTypeError {
    text: String,
    expected: &'static str,
    rest: String,
}

impl FromStr for Type {
    type Err = ParseTypeError;

    fn from_str(text: &str) -> Result<Type, ParseTypeError> {
        let mut reader = Reader { rest: text };
        let parsed = reader.ty().and_then(|ty| match reader.rest {
            "" => Ok(ty),
            _ => Err("the end"),
        });
        parsed.map_err(|expected| ParseTypeError { text: text.to_owned(), expected, rest: reader.rest.to_owned() })
    }
}

/// What may begin a type.
const NAMES: &str = "one of Bool, Int, Float, Text, Seed, Size, Duration, Json, Choice(…), Image, Mask, Tensor, Latent<…>, \
                     Conditioning<…>, Model<…>, Saved, List<…>";

/// Recursive descent over what is left of the text; an error is what was expected there.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn ty(&mut self) -> Result<Type, &'static str> {
        let before = self.rest;
        let mut ty = match self.word()? {
            "Bool" => Type::Bool,
            "Int" => Type::Int,
            "Float" => Type::Float,
            "Text" => Type::Text,
            "Seed" => Type::Seed,
            "Size" => Type::Size,
            "Duration" => Type::Duration,
            "Json" => Type::Json,
            "Choice" => Type::Choice(Choices(self.list("(", ")", Self::variant)?)),
            "Image" => Type::Image,
            "Mask" => Type::Mask,
            "Tensor" => Type::Tensor,
            "Latent" => Type::Latent(self.family()?),
            "Conditioning" => Type::Conditioning(self.family()?),
            "Model" => Type::Model(self.family()?),
            "Saved" => Type::Saved,
            "List" => {
                self.expect("<", "`<`")?;
                let inner = self.ty()?;
                self.expect(">", "`>`")?;
                Type::list(inner)
            }
            _ => {
                self.rest = before;
                return Err(NAMES);
            }
        };
        while self.skip("?") {
            ty = Type::optional(ty);
        }
        Ok(ty)
    }

    fn family(&mut self) -> Result<Family, &'static str> {
        self.expect("<", "`<`")?;
        let word = self.word()?;
        self.expect(">", "`>`")?;
        let mut letters = word.chars();
        Ok(match (letters.next(), letters.next()) {
            (Some(letter), None) if letter.is_ascii_uppercase() => Family::Variable(letter),
            _ => Family::Named(word.to_owned()),
        })
    }

    fn variant(&mut self) -> Result<Variant, &'static str> {
        let name = self.word()?.to_owned();
        let fields = match self.rest.starts_with('(') {
            true => self.list("(", ")", Self::field)?,
            false => Vec::new(),
        };
        Ok(Variant { name, fields })
    }

    fn field(&mut self) -> Result<(String, Type), &'static str> {
        let name = self.word()?.to_owned();
        self.expect(":", "`:`")?;
        Ok((name, self.ty()?))
    }

    fn list<T>(
        &mut self,
        open: &'static str,
        close: &'static str,
        item: impl Fn(&mut Self) -> Result<T, &'static str>,
    ) -> Result<Vec<T>, &'static str> {
        self.expect(open, "`(`")?;
        let mut items = vec![item(self)?];
        while self.skip(",") {
            items.push(item(self)?);
        }
        self.expect(close, "`,` or `)`")?;
        Ok(items)
    }

    fn word(&mut self) -> Result<&'a str, &'static str> {
        self.rest = self.rest.trim_start();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err("a name");
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(word)
    }

    fn skip(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str, name: &'static str) -> Result<(), &'static str> {
        self.skip(token).then_some(()).ok_or(name)
    }
}

impl Serialize for Type {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Type, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_read_as_it_is_written() {
        for text in [
            "Bool",
            "Seed?",
            "List<Image>",
            "List<Latent<F>>?",
            "Model<Flux2>",
            "Choice(Euler, Heun, Shifted(mu: Float, steps: Int?))",
        ] {
            assert_eq!(text.parse::<Type>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_type_is_refused_with_its_place() {
        let message = |text: &str| text.parse::<Type>().unwrap_err().to_string();
        assert_eq!(message("List<Pict>"), format!("`List<Pict>` is not a type: {NAMES} expected at `Pict>`"));
        assert_eq!(message("List<Image"), "`List<Image` is not a type: `>` expected at its end");
        assert_eq!(message("Int Int"), "`Int Int` is not a type: the end expected at ` Int`");
        assert_eq!(message("Choice()"), "`Choice()` is not a type: a name expected at `)`");
    }

    #[test]
    fn one_capital_letter_is_a_variable() {
        let family = |text: &str| text.parse::<Type>().unwrap().family().cloned();
        assert_eq!(family("Latent<F>"), Some(Family::Variable('F')));
        assert_eq!(family("List<Latent<Flux2>>"), Some(Family::Named("Flux2".to_owned())));
    }
}
