//! One file for each mistake: the words, the places, and a test of both.
//!
//! The first line of a message names the thing by its `node.port`; the primary label is where to type; a second one is
//! where the contradicting fact came from; help offers what would fit.

pub(crate) mod bad_import;
pub(crate) mod bad_name;
pub(crate) mod bad_sweep;
pub(crate) mod bad_value;
pub(crate) mod choose;
pub(crate) mod cycle;
pub(crate) mod duplicate_name;
pub(crate) mod each;
pub(crate) mod empty;
pub(crate) mod family_mismatch;
pub(crate) mod holds_a_key;
pub(crate) mod import_cycle;
pub(crate) mod lowercase_choice;
pub(crate) mod malformed;
pub(crate) mod missing_file;
pub(crate) mod missing_input;
pub(crate) mod missing_param;
pub(crate) mod missing_section;
pub(crate) mod newer_format;
pub(crate) mod not_a_literal;
pub(crate) mod not_a_multiple;
pub(crate) mod not_text;
pub(crate) mod out_of_range;
pub(crate) mod syntax_error;
pub(crate) mod type_mismatch;
pub(crate) mod unknown_choice;
pub(crate) mod unknown_import;
pub(crate) mod unknown_input;
pub(crate) mod unknown_kind;
pub(crate) mod unknown_lora;
pub(crate) mod unknown_name;
pub(crate) mod unknown_output;
pub(crate) mod unknown_param;
pub(crate) mod unknown_placeholder;
pub(crate) mod unknown_preset;
pub(crate) mod unknown_section;
pub(crate) mod unknown_swap;
pub(crate) mod unknown_sweep;
pub(crate) mod unknown_type;
pub(crate) mod unknown_weights;
pub(crate) mod unreadable;
pub(crate) mod unsupported;
pub(crate) mod wrong_family;
pub(crate) mod wrong_version;
