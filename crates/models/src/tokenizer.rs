//! Splits text into tokens, whatever kind of file the vocabulary comes in.
//!
//! All of FLUX.2's text encoders use byte-level byte-pair encoding. Its tables come as `tokenizer.json` in a folder of
//! the diffusers layout, as the vendor's `tekken.json` (which is also found inside a weight file, as the bytes of a tensor
//! `tekken_model`), or in the metadata of a GGUF file. They are told apart by content, but for the first two, which are
//! known by their names.

mod gguf;
mod tekken;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior};

pub use gguf::GgufVocabulary;

use crate::{LoadError, PartFiles, Weights};

const FILE: &str = "tokenizer.json";
const TEKKEN_FILE: &str = "tekken.json";
const TEKKEN_TENSOR: &str = "tekken_model";

/// A tokenizer, and where it came from.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// What the file says that short texts are filled up with.
    padding_token: Option<String>,
    path: PathBuf,
}

/// Why a text could not be split into tokens, or tokens not be joined.
#[derive(Debug, thiserror::Error)]
#[error("the tokenizer failed: {reason}")]
pub struct TokenizeError {
    reason: String,
}

impl Tokenizer {
    /// Reads a tokenizer from the files of a part.
    pub fn read(part: &PartFiles) -> Result<Self, LoadError> {
        if part.find(FILE).is_some() {
            return Self::from_files(part);
        }
        if let Some(path) = part.find(TEKKEN_FILE) {
            return Self::from_tekken(&read_bytes(path)?, path);
        }
        for file in part.each_weight_file()? {
            let path = &file.files[0];
            if is_gguf(path)? {
                return Self::from_gguf(&GgufVocabulary::read(path)?, path);
            }
            let weights = Weights::open(&file)?;
            if let Some(json) = weights.bytes(TEKKEN_TENSOR) {
                return Self::from_tekken(json, path);
            }
        }
        Err(LoadError::NoTokenizer { found: part.names() })
    }

    /// Reads `tokenizer.json`, and `tokenizer_config.json` if given.
    pub fn from_files(part: &PartFiles) -> Result<Self, LoadError> {
        let path = part.require(FILE)?;
        let inner = tokenizers::Tokenizer::from_bytes(read_bytes(path)?);
        let mut inner = inner.map_err(unreadable(path))?;
        // Length is decided by the user of the tokenizer, whatever the file says.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(unreadable(path))?;
        let padding_token = match part.find(TokenizerConfig::FILE) {
            Some(_) => part.json::<TokenizerConfig>(TokenizerConfig::FILE)?.pad_token.map(SpecialToken::content),
            None => None,
        };
        Ok(Self { inner, padding_token, path: path.to_owned() })
    }

    /// Makes a tokenizer from the vendor's JSON for Mistral models. `path` is where it came from, for messages.
    pub fn from_tekken(json: &[u8], path: &Path) -> Result<Self, LoadError> {
        let tables = tekken::tables(json, path)?;
        Self::from_tables(tables, path)
    }

    /// Makes a tokenizer from what the metadata of a GGUF file say. `path` is where they came from, for messages.
    pub fn from_gguf(vocabulary: &GgufVocabulary, path: &Path) -> Result<Self, LoadError> {
        Self::from_tables(vocabulary.tables(path)?, path)
    }

    fn from_tables(tables: Tables, path: &Path) -> Result<Self, LoadError> {
        let model = BPE::builder().vocab_and_merges(tables.vocabulary, tables.merges).ignore_merges(tables.whole_first);
        let mut inner = tokenizers::Tokenizer::new(model.build().map_err(unreadable(path))?);
        let pattern = SplitPattern::Regex(tables.pattern);
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(unreadable(path))?;
        let bytes = ByteLevel::new(false, true, false);
        let steps = vec![PreTokenizerWrapper::Split(split), PreTokenizerWrapper::ByteLevel(bytes)];
        inner.with_pre_tokenizer(Some(Sequence::new(steps)));
        inner.with_decoder(Some(ByteLevel::default()));
        if tables.composes {
            inner.with_normalizer(Some(NormalizerWrapper::NFC(NFC))).map_err(unreadable(path))?;
        }
        let marks =
            tables.marks.into_iter().map(|(mark, is_silent)| AddedToken::from(mark, is_silent).normalized(false));
        inner.add_tokens(marks).map_err(unreadable(path))?;
        Ok(Self { inner, padding_token: None, path: path.to_owned() })
    }

    /// Splits a text into tokens and adds none.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizeError> {
        let encoding = self.inner.encode_fast(text, false);
        Ok(encoding.map_err(|error| TokenizeError { reason: error.to_string() })?.get_ids().to_vec())
    }

    /// Joins tokens to a text; special tokens leave no trace in it.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizeError> {
        self.inner.decode(ids, true).map_err(|error| TokenizeError { reason: error.to_string() })
    }

    /// Looks up a special token. `needed` says what for, if it is not there.
    pub fn require(&self, token: &str, needed: &'static str) -> Result<u32, LoadError> {
        self.inner.token_to_id(token).ok_or_else(|| self.missing(token, needed))
    }

    /// Finds the token that short texts are filled up with: what the files say, else `default`.
    pub fn padding_id(&self, default: &str, vocabulary: usize) -> Result<u32, LoadError> {
        let token = self.padding_token.as_deref().unwrap_or(default);
        let id = self.require(token, "fills up short prompts")?;
        self.check_id(token, id, vocabulary)?;
        Ok(id)
    }

    /// Refuses a tokenizer that takes one of the `marks` in a template apart, or knows more than `vocabulary` tokens of it.
    ///
    /// A mark may be part of a longer token: small models have whole templates as one.
    pub fn check_marks(&self, template: &str, marks: &[&str], vocabulary: usize) -> Result<(), LoadError> {
        let encoding = self.inner.encode(template, false).map_err(unreadable(&self.path))?;
        for &mark in marks {
            for (start, _) in template.match_indices(mark) {
                let is_around = |(from, to): &(usize, usize)| *from <= start && start + mark.len() <= *to;
                let Some(token_idx) = encoding.get_offsets().iter().position(is_around) else {
                    return Err(self.missing(mark, "the prompts of this model are written with"));
                };
                self.check_id(mark, encoding.get_ids()[token_idx], vocabulary)?;
            }
        }
        Ok(())
    }

    fn check_id(&self, token: &str, id: u32, vocabulary: usize) -> Result<(), LoadError> {
        if (id as usize) < vocabulary {
            return Ok(());
        }
        let (token, path) = (token.to_owned(), self.path.clone());
        Err(LoadError::TokenBeyondVocabulary { token, id, vocabulary, path })
    }

    fn missing(&self, token: &str, needed: &'static str) -> LoadError {
        LoadError::MissingToken { token: token.to_owned(), needed, path: self.path.clone() }
    }
}

/// What a byte-level tokenizer is made of.
struct Tables {
    vocabulary: Vocab,
    /// Pairs of tokens that become one, the most urgent first.
    merges: Merges,
    /// A word that is a token is taken whole, even if no merges lead there.
    whole_first: bool,
    /// Cuts a text into words.
    pattern: String,
    /// Accents are joined to their letters first.
    composes: bool,
    /// Tokens that are found in a text before anything else, and whether they vanish when tokens are joined.
    marks: Vec<(String, bool)>,
}

/// The characters that stand for bytes in the files of byte-level tokenizers: what can be printed stands for itself, the
/// others follow from U+0100 on.
fn byte_characters() -> [char; 256] {
    let mut next = 256;
    std::array::from_fn(|byte| match byte {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte as u8),
        _ => {
            next += 1;
            char::from_u32(next - 1).expect("a character below U+0200")
        }
    })
}

#[derive(Deserialize)]
struct TokenizerConfig {
    pad_token: Option<SpecialToken>,
}

impl TokenizerConfig {
    const FILE: &str = "tokenizer_config.json";
}

/// A special token, in the short spelling or the long one.
#[derive(Deserialize)]
#[serde(untagged)]
enum SpecialToken {
    Text(String),
    Added { content: String },
}

impl SpecialToken {
    fn content(self) -> String {
        match self {
            Self::Text(content) | Self::Added { content } => content,
        }
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| LoadError::Read { source, path: path.to_owned() })
}

/// Says whether a file begins as GGUF files do.
pub(crate) fn is_gguf(path: &Path) -> Result<bool, LoadError> {
    let read = || {
        let mut start = Vec::new();
        File::open(path)?.take(4).read_to_end(&mut start)?;
        Ok(start == b"GGUF")
    };
    read().map_err(|source| LoadError::Read { source, path: path.to_owned() })
}

fn unreadable<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> LoadError {
    move |error| LoadError::Tokenizer { reason: error.to_string(), path: path.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_and_a_break_have_the_characters_that_files_have_for_them() {
        let characters = byte_characters();
        assert_eq!((characters[usize::from(b' ')], characters[usize::from(b'\n')]), ('Ġ', 'Ċ'));
        assert_eq!((characters[0], characters[usize::from(b'a')], characters[0xAD]), ('Ā', 'a', 'Ń'));
    }
}
