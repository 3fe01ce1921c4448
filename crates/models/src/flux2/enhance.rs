//! Lets the text model rewrite a prompt before it is drawn.
//!
//! The model that encodes prompts is a language model, and is asked, with an instruction and at a low temperature, for a
//! richer text with the same meaning. It takes the whole model: files that were cut behind the layers that an encoder
//! needs have no head to speak with.
//!
//! The reference offers this for dev alone, and asks with an instruction of its authors. The one here says the same in
//! other words. With klein the question is put in the template of its own language model.
//!
//! Source: diffusers `pipeline_flux2.py`, `upsample_prompt`.

use std::ops::ControlFlow;

use super::Settings;
use crate::decoder::Architecture;
use crate::generate::{GenerateError, GenerateOptions, Generator, GeneratorFiles};
use crate::tokenizer::{TokenizeError, Tokenizer};
use crate::{LoadError, PartFiles};

const INSTRUCTION: &str = "\
You help people who draw with FLUX.2, a model that turns words into pictures. Rewrite what they ask for so that it can \
be drawn as it is meant: the same subject and the same intent, told in more detail.

1. Keep the form. What comes as fields or lists keeps them, filled in further; plain sentences become detailed paragraphs.
2. Say what can be seen: shapes and sizes, materials and textures, where the light comes from, how strong it is and of \
what colour, shadows, what stands where, and what is around it.
3. Put every text that is to be read in the picture in quotation marks, in the language of the request. Where a thing \
would carry writing, such as a sign, a label or a screen, say what it reads: otherwise it comes out as scribble.

Answer with the new text alone.";

/// Rewrites prompts.
pub struct Enhancer {
    tokenizer: Tokenizer,
    architecture: Architecture,
    /// What ends an answer.
    ends: Vec<u32>,
    generator: Generator,
}

/// A prompt in other words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enhanced {
    pub text: String,
    /// The model came to an end by itself, before the limit of tokens.
    pub is_finished: bool,
}

/// Why a prompt could not be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum EnhanceError {
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error("the text model answered with nothing; another seed or a higher temperature may help")]
    Silent,
}

impl Enhancer {
    /// Loads the whole text model, with its head, and its tokenizer (see [`Tokenizer::read`]).
    pub fn load(text: &PartFiles, tokenizer: &PartFiles, settings: &Settings) -> Result<Self, LoadError> {
        let architecture = settings.variant.text_architecture();
        let files = GeneratorFiles::open(text, architecture)?;
        let tokenizer = super::text::read_tokenizer(tokenizer, architecture, files.vocabulary())?;
        let ends = architecture.end_tokens().iter();
        let ends = ends.map(|end| tokenizer.require(end, "ends an answer of this model"));
        Ok(Self { ends: ends.collect::<Result<_, _>>()?, tokenizer, architecture, generator: files.load()? })
    }

    /// Rewrites a prompt. Equal options give equal texts.
    ///
    /// `on_token` is called before each token with how many there are, and may stop everything.
    pub fn enhance(
        &self,
        prompt: &str,
        options: &GenerateOptions,
        on_token: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Enhanced, EnhanceError> {
        let question = self.tokenizer.encode(&self.architecture.conversation(Some(INSTRUCTION), prompt))?;
        let answer = self.generator.go_on(&question, &self.ends, options, on_token)?;
        let text = self.tokenizer.decode(&answer.ids)?.trim().to_owned();
        match text.is_empty() {
            true => Err(EnhanceError::Silent),
            false => Ok(Enhanced { text, is_finished: answer.is_finished }),
        }
    }

    /// Says how many bytes of memory the weights take.
    pub fn weight_bytes(&self) -> u64 {
        self.generator.weight_bytes()
    }
}
