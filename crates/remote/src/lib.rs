//! The tier of results that several machines share: an object store behind their disks.
//!
//! # Layout
//!
//! Below the address's prefix stand the same names as on disk (see `rondel_cache::disk`), so a bucket can be filled from a cache
//! folder with any tool that copies files, and the other way round:
//!
//! ```text
//! v1/recipe/ab/abcdef…        the action key that a recipe key led to, sealed (see `rondel_cache::sealed`)
//! v1/action/ab/abcdef….json   the record of the step with this action key, as JSON, sealed
//! v1/blob/ab/abcdef….st       canonical bytes of a bundle, named by their blake3
//! ```
//!
//! Of a result the blobs are written first, then the record, then the recipe, so whoever finds one finds what it names, as
//! long as nobody removes objects; a bucket's own rules may remove any that are old, which costs a computation.
//! A blob is checked against its name whenever it is read, the others by their seals: what is not so counts as not there, and
//! is replaced when its step is made again by someone who may write. A seal tells damage, not malice.
//!
//! # What others can see
//!
//! A record holds what a step is called by its kind, how long it took and when, the sizes and digests of what it made,
//! texts and numbers that it made, and what its key was made of: the values of inputs cut to 60 characters, names of nodes,
//! models and files, without their folders. A blob is a picture, a latent or a text's encoding. Steps that write files,
//! whose records say where, stay out, and so do those that failed, unfinished ones, and those whose results are not kept.
//! Weights, graphs and records of runs are never written here.
//!
//! Who can write here decides what others get for a key: give that right to whom you would let change the graph.
//!
//! # How it bears trouble
//!
//! Whatever goes wrong counts as not known. Every request has a time limit; several failures in a row, or one answer that
//! there is no such bucket or that whoever asks may not, and nothing more is asked, or written. That is said once, with what
//! to look at. One that was too slow for all steps of a plan is asked for no others, and still for the blobs of those that it
//! knew in time. A run of the same process that begins a minute later tries anew, but not after one of those two answers.
//!
//! - [`address`]: from `s3://bucket/prefix` to a store
//! - `bucket`: single requests
//! - `refusal`: what an error is a sign of
//! - `health`: whether it is worth asking
//! - `upload`: what goes up in the background
//! - [`tier`]: all of it as a tier

pub mod address;
mod bucket;
mod health;
mod refusal;
pub mod tier;
mod upload;

pub use address::{Address, AddressError};
pub use refusal::RequestError;
pub use tier::{Limits, Mode, ObjectTier, Probed};
