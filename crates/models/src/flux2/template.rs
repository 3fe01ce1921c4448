//! How prompts are written for a text encoder: the turns of a conversation, with the tokens that set them apart.
//!
//! The templates are part of the models, so they are written out here instead of interpreting the Jinja file beside a
//! tokenizer; they are what those files render, for klein with thinking turned off.
//!
//! Source: diffusers `pipeline_flux2.py`, `format_input`, and `pipeline_flux2_klein.py`, `_get_qwen3_prompt_embeds`.

use crate::decoder::Architecture;

/// What FLUX.2 dev was trained to read ahead of every prompt; the break of the line is part of it.
const SYSTEM: &str = "You are an AI that reasons about image descriptions. You give structured responses focusing on \
                      object relationships, object\nattribution and actions without speculation.";

/// The marks that stand between turns. A tokenizer must know each as one token.
const MISTRAL_MARKS: [&str; 5] = ["<s>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]"];
const QWEN3_MARKS: [&str; 4] = ["<|im_start|>", "<|im_end|>", "<think>", "</think>"];

/// Stands for a picture in a prompt. The reference takes it out, because there is none.
const PICTURE_MARK: &str = "[IMG]";

/// On which side of a text the padding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Architecture {
    /// Writes a prompt that is to be encoded.
    pub(super) fn encoding_text(self, prompt: &str) -> String {
        match self {
            Self::Mistral => self.conversation(Some(SYSTEM), prompt),
            Self::Qwen3 => self.conversation(None, prompt),
        }
    }

    /// Writes what a user says after an instruction, up to where the answer begins.
    pub(super) fn conversation(self, system: Option<&str>, prompt: &str) -> String {
        match self {
            Self::Mistral => {
                let system = system.map(|system| format!("[SYSTEM_PROMPT]{system}[/SYSTEM_PROMPT]"));
                format!("<s>{}[INST]{}[/INST]", system.unwrap_or_default(), prompt.replace(PICTURE_MARK, ""))
            }
            Self::Qwen3 => {
                let turn = |role: &str, text: &str| format!("<|im_start|>{role}\n{text}<|im_end|>\n");
                let system = system.map(|system| turn("system", system));
                let user = turn("user", prompt);
                format!("{}{user}<|im_start|>assistant\n<think>\n\n</think>\n\n", system.unwrap_or_default())
            }
        }
    }

    /// The marks that an encoding text is written with.
    pub(super) fn marks(self) -> &'static [&'static str] {
        match self {
            Self::Mistral => &MISTRAL_MARKS,
            Self::Qwen3 => &QWEN3_MARKS,
        }
    }

    /// The padding, unless the tokenizer says otherwise.
    pub(super) fn padding_token(self) -> &'static str {
        match self {
            Self::Mistral => "<pad>",
            Self::Qwen3 => "<|endoftext|>",
        }
    }

    pub(super) fn padding_side(self) -> Side {
        match self {
            Self::Mistral => Side::Left,
            Self::Qwen3 => Side::Right,
        }
    }

    /// The tokens that end an answer.
    pub(super) fn end_tokens(self) -> &'static [&'static str] {
        match self {
            Self::Mistral => &["</s>"],
            Self::Qwen3 => &["<|im_end|>", "<|endoftext|>"],
        }
    }
}
