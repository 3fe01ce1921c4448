//! `remote_provider`: pictures from a hosted model.

use rondel_sdk::prelude::*;
use rondel_sdk::value::hosted::{HostedDetails, HostedRequest, Route as Asked};
use rondel_sdk::value::value::Json;

/// Draws pictures with a hosted model.
///
/// The model is named, and the host asks one of the providers that `providers.ron` has for it: with their keys, within their
/// limits and yours. A result is kept like any other, so the same picture is paid for once. With references it is an edit.
#[derive(Node)]
#[node(kind = "remote_provider", version = 1, lane = Net, category = "hosted", seeded)]
pub struct RemoteProvider {
    /// The model, by its name in `providers.ron`.
    #[param(default = "flux.2-dev", hosted)]
    pub model: String,
    /// What to draw, or what to change.
    #[param(expand)]
    pub prompt: String,
    /// Who is asked: `Cheapest`, `Fastest`, `Reliable` or `Balanced` of all who can do it, `Only("fal")`, or
    /// `Order(["fal", "replicate"])`.
    #[param(default = Balanced)]
    pub route: Route,
    /// Width and height, exactly. Not together with `aspect_ratio`. An edit that says none of the three is like its first picture.
    #[param(range = 64..=4096, unit = "px")]
    pub size: Option<Size>,
    /// `16:9`, as large as `resolution` has room for, and never a row of pixels that would cost another megapixel.
    pub aspect_ratio: Option<String>,
    /// `1K` for an area of 1024×1024, `2K` for 2048×2048.
    pub resolution: Option<String>,
    /// Pictures to draw from, in this order; what is over four megapixels is sent smaller.
    #[param(default = [])]
    pub image: Vec<Image>,
    /// Where chance starts. Providers that take no seed are not asked then.
    pub seed: Option<Seed>,
    /// How many pictures.
    #[param(default = 1, range = 1..=10)]
    pub n: u32,
    /// How pictures travel: as links, or in the answer. The picture is the same.
    #[param(unkeyed)]
    pub response_format: Option<ResponseFormat>,
    /// The format that pictures travel in; the provider's usual one if not given.
    pub output_format: Option<OutputFormat>,
    /// How much is kept of them, for formats that lose something.
    #[param(range = 0..=100)]
    pub output_compression: Option<u8>,
    /// The most that all pictures of this step may cost: `(limit: 0.10, currency: Usd)`, or a number of dollars.
    #[param(unkeyed)]
    pub spend: Option<Json>,
}

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq, Choice)]
pub enum Route {
    Cheapest,
    Fastest,
    Reliable,
    Balanced,
    Only { provider: String },
    Order { providers: Vec<String> },
}

/// How pictures travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum ResponseFormat {
    Url,
    B64Json,
}

/// The format that pictures travel in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Choice)]
pub enum OutputFormat {
    Png,
    Jpeg,
    Webp,
    Gif,
    Avif,
}

/// What was drawn.
#[derive(Outputs)]
pub struct Drawn {
    /// The first picture.
    pub image: Image,
    /// All pictures.
    pub images: Vec<Image>,
    /// Who drew it.
    pub provider: String,
    /// Provider, seed, cost and what the provider calls the request.
    pub details: Json,
}

impl Run for RemoteProvider {
    type Output = Drawn;

    fn run(self, cx: &mut Cx) -> NodeResult<Drawn> {
        let request = self.request()?;
        let (images, details) = cx.paint(&request, &self.image)?;
        let Some(image) = images.first().cloned() else {
            return Err(NodeError::failed("the host handed over no picture"));
        };
        let HostedDetails { provider, .. } = &details;
        Ok(Drawn { image, provider: provider.clone(), images, details: Json::of(&details)? })
    }

    fn cost(inputs: &Inputs<'_>, _cx: &Cx) -> NodeResult<Option<Estimate>> {
        let references: Option<Vec<Image>> = inputs.get("image");
        let node = RemoteProvider {
            model: inputs.get("model").unwrap_or_default(),
            prompt: inputs.get("prompt").unwrap_or_default(),
            route: inputs.get("route").unwrap_or(Route::Balanced),
            size: inputs.get("size"),
            aspect_ratio: inputs.get("aspect_ratio"),
            resolution: inputs.get("resolution"),
            image: references.clone().unwrap_or_default(),
            seed: inputs.get("seed"),
            n: inputs.get("n").unwrap_or(1),
            response_format: inputs.get("response_format"),
            output_format: inputs.get("output_format"),
            output_compression: inputs.get("output_compression"),
            spend: inputs.get("spend"),
        };
        let request = node.request()?;
        let sizes = references.map(|images| images.iter().map(size_of).collect());
        let mut estimate = Estimate::new();
        if let Some(Size { width, height }) = node.size {
            // What takes the picture can then say what it needs.
            estimate = estimate.makes("image", Image::from_u8(width, height, 3, vec![0; width * height * 3])?);
        }
        Ok(Some(estimate.asks(HostedRequest { references: sizes, ..request })))
    }
}

impl RemoteProvider {
    fn request(&self) -> NodeResult<HostedRequest> {
        if self.size.is_some() && self.aspect_ratio.is_some() {
            return Err(NodeError::input("aspect_ratio", "`size` says it already: leave one of the two out"));
        }
        if self.size.is_some() && self.resolution.is_some() {
            return Err(NodeError::input("resolution", "`size` says it already: leave one of the two out"));
        }
        if let Some(format @ (OutputFormat::Gif | OutputFormat::Avif)) = self.output_format {
            let message = format!("{format:?} cannot be read here: take Png, Jpeg or Webp");
            return Err(NodeError::input("output_format", message));
        }
        if self.output_compression.is_some()
            && !matches!(self.output_format, Some(OutputFormat::Jpeg | OutputFormat::Webp))
        {
            let message = "it is for formats that lose something: set `output_format: Jpeg` or `Webp`";
            return Err(NodeError::input("output_compression", message));
        }
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        Ok(HostedRequest {
            model: self.model.clone(),
            prompt: Some(self.prompt.clone()),
            size: self.size.map(|size| [side(size.width), side(size.height)]),
            aspect_ratio: self.aspect_ratio.clone(),
            resolution: self.resolution.clone(),
            references: None,
            seed: self.seed.map(|seed| seed.0),
            n: self.n,
            response_format: self.response_format.map(|format| match format {
                ResponseFormat::Url => "url".to_owned(),
                ResponseFormat::B64Json => "b64_json".to_owned(),
            }),
            output_format: self.output_format.map(|format| format!("{format:?}").to_lowercase()),
            output_compression: self.output_compression,
            route: match self.route.clone() {
                Route::Cheapest => Asked::Cheapest,
                Route::Fastest => Asked::Fastest,
                Route::Reliable => Asked::Reliable,
                Route::Balanced => Asked::Balanced,
                Route::Only { provider } => Asked::Only(provider),
                Route::Order { providers } => Asked::Order(providers),
            },
            limit_micros: self.spend.as_ref().map(limit).transpose()?,
        })
    }
}

/// The limit of `(limit: 0.10, currency: Usd)` or of a number, in millionths of a dollar.
fn limit(spend: &Json) -> NodeResult<u64> {
    let wrong = || NodeError::input("spend", "write `(limit: 0.10, currency: Usd)`, or a number of dollars");
    let json = spend.to_value();
    let dollars = match &json {
        json if json.is_number() => json.as_f64(),
        json => {
            let object = json.as_object().ok_or_else(wrong)?;
            if object.keys().any(|key| key != "limit" && key != "currency") {
                return Err(wrong());
            }
            if json["currency"].as_str().is_some_and(|currency| !currency.eq_ignore_ascii_case("usd")) {
                return Err(NodeError::input("spend", "prices are in dollars: write `currency: Usd`"));
            }
            json["limit"].as_f64()
        }
    };
    let micros = (dollars.ok_or_else(wrong)? * 1e6).round();
    if (0.0..=1e15).contains(&micros) { Ok(micros as u64) } else { Err(wrong()) }
}

fn size_of(image: &Image) -> [u32; 2] {
    [image.width(), image.height()].map(|side| u32::try_from(side).unwrap_or(u32::MAX))
}
