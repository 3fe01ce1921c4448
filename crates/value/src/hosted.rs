//! What a node asks of a hosted model, and what came of it.
//!
//! A node describes the picture; who is asked, at which address, with which key and for how much is the host's business. So
//! this is all that crosses the boundary: a [`HostedRequest`] in JSON with reference pictures beside it, and back pictures with
//! [`HostedDetails`].

use serde::{Deserialize, Serialize};

/// What is asked of a hosted model. Every field is as the graph has it; what is left out is the provider's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostedRequest {
    /// The name of the model in `providers.ron`.
    pub model: String,
    /// None in an estimate, if it is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Width and height, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<[u32; 2]>,
    /// `16:9`: as large as `resolution` has room for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect_ratio: Option<String>,
    /// `1K`, `2K`: an area of so many times 1024², squared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
    /// Width and height of each reference; none in an estimate, if they are not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<Vec<[u32; 2]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How many pictures.
    pub n: u32,
    /// How pictures travel: `url`, `b64_json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<String>,
    /// `png`, `jpeg`, `webp`, `gif`, `avif`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_format: Option<String>,
    /// 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_compression: Option<u8>,
    pub route: Route,
    /// The most that the whole request may cost, in millionths of a dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_micros: Option<u64>,
}

/// How a provider is chosen among those that can do it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Route {
    /// By price, then time.
    Cheapest,
    /// By time, then price.
    Fastest,
    /// By how often it succeeds, then price.
    Reliable,
    /// By what a success costs in money and time.
    #[default]
    Balanced,
    /// This one and no other.
    Only(String),
    /// These, one after the other.
    Order(Vec<String>),
}

/// What is known of pictures that a hosted model made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostedDetails {
    /// Who made them, by the name in `providers.ron`; of several, who made the first.
    pub provider: String,
    /// The provider's own name of the model.
    pub model: String,
    pub seed_asked: Option<u64>,
    /// What the provider says that it used.
    pub seed_used: Option<u64>,
    /// What it cost, in millionths of a dollar; none if nobody knows.
    pub cost_micros: Option<u64>,
    /// The provider said so; if not, it is from the table of prices.
    pub is_cost_reported: bool,
    /// What the provider calls the request, for its support.
    pub request_ids: Vec<String>,
    /// What the prompt was made into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revised_prompt: Option<String>,
    /// What is known of each call, where several providers made what was asked for together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<HostedPart>,
}

/// What is known of one call of several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostedPart {
    pub provider: String,
    pub model: String,
    /// How many pictures came from it, in their order.
    pub n: u32,
    pub seed_used: Option<u64>,
    pub cost_micros: Option<u64>,
    pub request_id: Option<String>,
}
