//! The names that other programs give to the same tensors.

pub(super) mod autoencoder;
pub(super) mod text;
pub(super) mod transformer;
