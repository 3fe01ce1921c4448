//! The vendor's JSON for Mistral models: a table of byte strings by rank, from which the merges follow.
//!
//! ```json
//! {"config": {"pattern": "…", "default_vocab_size": 131072, "default_num_special_tokens": 1000},
//!  "vocab": [{"rank": 0, "token_bytes": "AA=="}, …],
//!  "special_tokens": [{"rank": 0, "token_str": "<unk>"}, …]}
//! ```
//!
//! The id of a byte string is its rank behind all special tokens, also those that have no name; what is ranked beyond the
//! size of the vocabulary is not in it. Files of older models have no `special_tokens`.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use tokenizers::models::bpe::Merges;

use super::{Tables, byte_characters, unreadable};
use crate::LoadError;

#[derive(Deserialize)]
struct Tekken {
    config: Config,
    vocab: Vec<Word>,
    special_tokens: Option<Vec<Mark>>,
}

#[derive(Deserialize)]
struct Config {
    pattern: String,
    default_vocab_size: usize,
    default_num_special_tokens: usize,
}

#[derive(Deserialize)]
struct Word {
    rank: usize,
    token_bytes: String,
}

#[derive(Deserialize)]
struct Mark {
    rank: usize,
    token_str: String,
}

/// The special tokens of a file that does not list them, by rank.
const MARKS: [&str; 20] = [
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
];

pub(super) fn tables(json: &[u8], path: &Path) -> Result<Tables, LoadError> {
    let tekken: Tekken = serde_json::from_slice(json).map_err(unreadable(path))?;
    let n_marks = tekken.config.default_num_special_tokens;
    let n_words = tekken.config.default_vocab_size.saturating_sub(n_marks);

    let mut words = Vec::with_capacity(tekken.vocab.len());
    for word in tekken.vocab.into_iter().filter(|word| word.rank < n_words) {
        let bytes = base64::decode(&word.token_bytes).map_err(unreadable(path))?;
        words.push((word.rank, bytes));
    }
    words.sort();
    let marks = match tekken.special_tokens {
        Some(marks) => marks.into_iter().map(|mark| (mark.rank, mark.token_str)).collect(),
        None => MARKS.map(str::to_owned).into_iter().enumerate().collect::<Vec<_>>(),
    };
    if let Some((rank, mark)) = marks.iter().find(|(rank, _)| *rank >= n_marks) {
        let reason = format!("`{mark}` has rank {rank} among {n_marks} special tokens");
        return Err(LoadError::Tokenizer { reason, path: path.to_owned() });
    }

    let characters = byte_characters();
    let spell = |bytes: &[u8]| bytes.iter().map(|byte| characters[usize::from(*byte)]).collect::<String>();
    let id = |rank: usize| u32::try_from(rank).map_err(unreadable(path));
    let mut vocabulary = Vec::with_capacity(words.len() + marks.len());
    for (rank, mark) in &marks {
        vocabulary.push((mark.clone(), id(*rank)?));
    }
    for (rank, bytes) in &words {
        vocabulary.push((spell(bytes), id(n_marks + rank)?));
    }
    Ok(Tables {
        vocabulary: vocabulary.into_iter().collect(),
        merges: merges(&words, spell),
        whole_first: true,
        pattern: tekken.config.pattern,
        composes: false,
        marks: marks.into_iter().map(|(_, mark)| (mark, true)).collect(),
    })
}

/// Finds which pairs of byte strings become one: all pairs that make up another, in the order of what they become, then
/// of what they are.
fn merges(words: &[(usize, Vec<u8>)], spell: impl Fn(&[u8]) -> String) -> Merges {
    let ranks: HashMap<&[u8], usize> = words.iter().map(|(rank, bytes)| (bytes.as_slice(), *rank)).collect();
    let mut merges = Merges::new();
    for (_, bytes) in words {
        let cuts = (1..bytes.len()).map(|at| bytes.split_at(at));
        let ranked = cuts.filter_map(|(left, right)| Some((*ranks.get(left)?, *ranks.get(right)?, left, right)));
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort();
        merges.extend(ranked.into_iter().map(|(_, _, left, right)| (spell(left), spell(right))));
    }
    merges
}
