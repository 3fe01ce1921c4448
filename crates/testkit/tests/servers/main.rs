//! The stand-ins do what the services do, and every fault is what it is called.

mod bfl;
mod client;
mod compat;
mod fal;
mod faults;
mod openai;
mod replicate;
mod together;

use image::{DynamicImage, GenericImageView, RgbImage};
use rondel_testkit::servers::{Provider, Providers};
use serde_json::Value;

use crate::client::{Reply, ask};

/// Servers, asked by whoever has a provider's key.
struct Service {
    providers: Providers,
    provider: Provider,
}

impl Service {
    fn new(provider: Provider) -> Self {
        Self { providers: Providers::start(), provider }
    }

    fn key(&self) -> (&'static str, String) {
        match self.provider {
            Provider::Fal => ("authorization", format!("Key {}", self.provider.key())),
            Provider::Bfl => ("x-key", self.provider.key().to_owned()),
            _ => ("authorization", format!("Bearer {}", self.provider.key())),
        }
    }

    /// Asks at a whole address.
    fn ask(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let (name, key) = self.key();
        let headers = [headers, &[(name, &*key)]].concat();
        ask(method, url, &headers, body).expect("an answer")
    }

    fn get(&self, path: &str) -> Reply {
        self.ask("GET", &format!("{}{path}", self.providers.url(self.provider)), &[], &[])
    }

    fn post(&self, path: &str, input: &Value) -> Reply {
        let body = input.to_string();
        self.ask("POST", &format!("{}{path}", self.providers.url(self.provider)), &[], body.as_bytes())
    }

    /// Sends a form: names and texts, then files with their name, type and content.
    fn form(&self, path: &str, texts: &[(&str, &str)], files: &[(&str, &str, &[u8])]) -> Reply {
        let mut body = Vec::new();
        for (name, text) in texts {
            body.extend(format!("--form\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n").bytes());
        }
        for (name, content_type, file) in files {
            let head = format!("content-disposition: form-data; name=\"{name}\"; filename=\"/home/me/a.png\"");
            body.extend(format!("--form\r\n{head}\r\ncontent-type: {content_type}\r\n\r\n").bytes());
            body.extend(*file);
            body.extend(b"\r\n");
        }
        body.extend(b"--form--\r\n");
        let url = format!("{}{path}", self.providers.url(self.provider));
        self.ask("POST", &url, &[("content-type", "multipart/form-data; boundary=form")], &body)
    }
}

/// What was charged in all.
fn charged(providers: &Providers) -> i64 {
    providers.bills().iter().filter_map(|bill| bill.micro_dollars).sum()
}

/// Fetches a picture, as anybody may.
fn fetch(url: &Value) -> Vec<u8> {
    let reply = ask("GET", url.as_str().expect("an address"), &[("user-agent", "tests")], &[]).expect("an answer");
    assert_eq!(reply.status, 200);
    reply.body
}

/// Reads a picture that was made.
fn picture(bytes: &[u8]) -> DynamicImage {
    image::load_from_memory(bytes).expect("a picture")
}

/// The colour of a picture's first pixel, which says what it was made from.
fn top(bytes: &[u8]) -> [u8; 3] {
    let [red, green, blue, _] = picture(bytes).get_pixel(0, 0).0;
    [red, green, blue]
}

/// A reference to send: a PNG of one colour.
fn reference(width_px: u32, height_px: u32, colour: [u8; 3]) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let picture = RgbImage::from_pixel(width_px, height_px, image::Rgb(colour));
    picture.write_to(&mut file, image::ImageFormat::Png).expect("a PNG");
    file.into_inner()
}

fn data_uri(file: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64::encode(file))
}
